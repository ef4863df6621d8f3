"""Providers whose pilot is lost in the middle go on; and a whole market that is."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.errors import Refused
from pilothouse.market.market import Market
from pilothouse.market.messages import events
from pilothouse.market.messages.parameters import ProviderParameters
from pilothouse.market.money import ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.relay import EmbeddedRelay
from pilothouse.market.nostr.session import Session
from pilothouse.market.provider.provider import Provider
from pilothouse.pilots import Pilot
from pilothouse.registry.records import PILOTS, RUNS
from tests.integration.market.trading import (
    CHEAP,
    ROUNDS,
    SEND,
    assert_books_agree,
    by_day,
    earned,
    job,
    lose,
    provider,
    recovered,
    trained,
)
from tests.waiting import eventually

pytestmark = pytest.mark.slow

#: Where the provider and its supervisor are killed: target, which call of it, before or after it, kind of event.
PROVIDER: dict[str, list[Any]] = {
    "bid-not-sent": [SEND, 1, "before", events.BID],
    "signed-and-not-told": [SEND, 1, "before", events.ACCEPTANCE],
    "in-training": ["pilothouse.market.learning.trainers:train", 2, "before", None],
    "result-not-sent": [SEND, 2, "before", events.RESULT],
    "result-sent": [SEND, 2, "after", events.RESULT],
    "earned-and-not-noted": ["pilothouse.market.money.notes:NoteWallet.receive", 2, "after", None],
}


@pytest.mark.parametrize("point", by_day(PROVIDER, {"earned-and-not-noted"}))
def test_a_provider_goes_on_selling_under_its_key(market: Market, frail: Pilot, local_pilot: Pilot, point: str) -> None:
    seller = provider(market, frail, f"rita-{point}", tear=PROVIDER[point])
    (key,) = {one.provider for one in market.offers() if one.name == seller.name}
    run = job(market, local_pilot, f"for-{point}", providers=1, bid_seconds=60.0, sign_seconds=60.0)
    recovered(frail)
    result = run.result(timeout=120)
    assert_books_agree(market, run, result, [seller.name])
    assert {one["provider"] for one in result["verdicts"]} == {key}
    times = Counter(trained(seller))
    assert len(times) == ROUNDS
    assert sum(times.values()) == ROUNDS
    assert frail.not_recovered == []
    assert RUNS.read(seller.name).resumed == 1
    eventually(lambda: seller.frame().columns["earned_msat"][-1] == ROUNDS * CHEAP, "its figures")
    assert seller.frame().columns["rounds"][-1] == ROUNDS
    assert {one.provider for one in market.offers() if one.name == seller.name} == {key}
    second = job(market, local_pilot, f"again-{point}", providers=1)
    assert second.result(timeout=120)["paid_msat"] == ROUNDS * CHEAP
    seller.stop()
    assert seller.result() == {"rounds": 2 * ROUNDS, "rejected": 0, "earned_msat": 2 * ROUNDS * CHEAP}


def test_a_provider_whose_node_is_killed_goes_on_at_another(market: Market, frail: Pilot, local_pilot: Pilot) -> None:
    seller = provider(market, frail, "tess")
    run = job(market, local_pilot, "tess-works", providers=1)
    eventually(lambda: trained(seller), "a training")
    (node,) = [one for one in frail.nodes if one.state == "running"]
    os.kill(next(one.pid for one in PILOTS.read(frail.name).nodes if one.name == node.name), signal.SIGKILL)
    assert_books_agree(market, run, run.result(timeout=120), ["tess"])
    places = [one["node"] for one in seller.events() if one["what"] == "process started"]
    assert places[0] == node.name
    assert places[1] != node.name


def test_a_provider_whose_node_is_renewed_goes_on_at_another(market: Market, frail: Pilot, local_pilot: Pilot) -> None:
    seller = provider(market, frail, "uma")
    run = job(market, local_pilot, "uma-works", providers=1)
    eventually(lambda: trained(seller), "a training")
    frail.renew()

    def places() -> list[str]:
        return [one["node"] for one in seller.events() if one["what"] == "process started"]

    eventually(lambda: len(set(places())) == 2, "its next node")
    assert_books_agree(market, run, run.result(timeout=120), ["uma"])
    assert not [one for one in seller.events() if one["what"] == "process died"]


def test_a_provider_offers_again_when_its_relay_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.market.provider.provider.OFFER_RENEWAL", 0.3)
    monkeypatch.setattr("pilothouse.market.provider.provider.OFFER_RETRY", 0.1)
    relay = EmbeddedRelay(lambda pubkey: True)
    identity, stop = Identity.generate(), threading.Event()
    settings = ProviderParameters.model_validate(
        {"name": "uma", "key": "unused", "relays": [relay.url], "price_msat": 1, "algorithms": ["fedavg"]}
    )
    said: list[dict[str, Any]] = []
    session = Session(identity, [relay.url])
    wallet = NoteWallet(identity, ledger.Ledger(tmp_path / "uma.jsonl"))
    serving = threading.Thread(target=Provider(settings, session, wallet, said.append, stop).serve)
    serving.start()
    try:
        eventually(lambda: said, "the first offer")
        relay.close()
        again = eventually(lambda: EmbeddedRelay(lambda pubkey: True, relay.port), "the port")
        with Session(Identity.generate(), [again.url]) as looking:
            eventually(lambda: looking.fetch({"kinds": [events.OFFER]}), "the offer")
    finally:
        stop.set()
        serving.join(60)
        session.close()
        again.close()
    assert not serving.is_alive()


@pytest.mark.nightly
def test_everything_on_one_lost_pilot_goes_on_together(state_home: Path) -> None:
    """Relay, blobs, provider and customer die at once: the relay has forgotten everything when it is back."""
    pilot = ph.submit("local", name="all", nodes=2, lease="1h").wait(timeout=60)
    market = ph.market.connect(pilot=pilot)
    guest = Identity.generate()
    market.admit(guest.npub)
    seller = provider(market, pilot, "sara")
    run = job(market, pilot, "together", providers=1)
    eventually(lambda: [one for one in run.events() if one["what"] == "accepted"], "a result")
    lose(pilot)
    recovered(pilot)
    result = run.result(timeout=120)
    assert [one["reason"] for one in result["verdicts"]] == ["ok"] * ROUNDS
    assert result["ledger"].balanced
    assert result["paid_msat"] == ROUNDS * CHEAP
    eventually(lambda: earned("sara", "together") == [CHEAP] * ROUNDS, "what it earns")
    assert len(trained(seller)) in (ROUNDS, ROUNDS + 1)  # the training that was cut short begins again
    assert pilot.not_recovered == []
    assert ph.market.connect(pilot=pilot).relays == market.relays
    assert guest.npub in {one.npub for one in market.admitted()}
    Session(guest, market.relays).close()
    with pytest.raises(Refused):
        Session(Identity.generate(), market.relays)
    market.close()
