"""Trades whose pilot is lost in the middle: they go on, and nothing is trained, paid or published twice."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.market import TrainingResult, events
from pilothouse.market.committed import COMMITTED
from pilothouse.market.following import ledgers
from pilothouse.market.handle import Market
from pilothouse.market.money import ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.nostr import EmbeddedRelay, Identity, Session
from pilothouse.market.parameters import JobParameters, ProviderParameters
from pilothouse.market.provider import Provider
from pilothouse.pilots import Pilot, Run
from pilothouse.pilots.records import PILOTS, RUNS
from tests.waiting import eventually

pytestmark = pytest.mark.slow

SEND = "pilothouse.market.nostr:Session.send"
PUBLISH = "pilothouse.market.nostr:Session.publish"
ROUNDS = 3
PRICES = {"nora": 100_000, "olga": 120_000}
#: What others ask: less, so that a job for one provider is theirs.
CHEAP = 50_000
BUDGET = 10_000_000


@pytest.fixture(scope="module")
def market(local_pilot: Pilot) -> Iterator[Market]:
    market = ph.market.connect(pilot=local_pilot)
    yield market
    market.close()
    assert market.run is not None
    market.run.stop()


@pytest.fixture
def frail() -> Iterator[Pilot]:
    """A pilot that will be lost."""
    with ph.submit("local", nodes=1, lease="1h").wait(timeout=60) as pilot:
        yield pilot


def provider(market: Market, pilot: Pilot, name: str, **options: Any) -> Run:
    """A provider whose trainings are counted, as soon as it offers."""
    values = {"name": name, "key": f"provider-{name}", "relays": market.relays, "algorithms": ["fedavg"]}
    settings = ProviderParameters.model_validate(values | {"price_msat": PRICES.get(name, CHEAP)})
    run = pilot.launch("torn-provider", settings.model_dump(mode="json") | options, name=name)
    eventually(lambda: name in {one.name for one in market.offers()}, "its offer")
    return run


@pytest.fixture(scope="module")
def providers(market: Market, local_pilot: Pilot) -> Iterator[list[Run]]:
    runs = [provider(market, local_pilot, name) for name in PRICES]
    yield runs
    for run in runs:
        run.stop()


def job(market: Market, pilot: Pilot, name: str, *, providers: int = 2, **options: Any) -> Run:
    """The same job each time, but for its name."""
    values = {"job": name, "key": "customer", "title": name, "relays": market.relays, "blobs": market.blobs}
    values |= {
        "dataset": "digits",
        "rounds": ROUNDS,
        "providers": providers,
        "budget_msat": BUDGET,
        "round_seconds": 60,
    }
    settings = JobParameters.model_validate(values | {"bid_seconds": 5, "round_seconds": 60})
    return pilot.launch("torn-training", settings.model_dump(mode="json") | options, name=name)


def recovered(pilot: Pilot) -> None:
    eventually(lambda: pilot.state == "lost", "the loss to be seen", within=90)
    pilot.recover()


def lose(pilot: Pilot) -> None:
    supervisor = PILOTS.read(pilot.name).supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)


def trained(run: Run) -> list[str]:
    """The seed, which is of a round, of each training that the provider began."""
    path = RUNS.folder(run.name) / "trained"
    return path.read_text().split() if path.exists() else []


def earned(name: str, job: str) -> list[int]:
    """What the provider of that name has in its ledger for the job, by transaction."""
    found = ledger.read(ledgers() / f"provider-{name}.jsonl")
    return [one.entries["purse"] for one in found if one.what == "earn" and one.key.startswith(f"{job}/")]


def assert_books_agree(market: Market, run: Run, result: TrainingResult, names: list[str]) -> None:
    """Each round was judged, paid and published once, and what the customer paid is what the providers earned."""
    number = ROUNDS * len(names)
    assert [one["round"] for one in result["rounds"]] == [1, 2, 3]
    assert [one["reason"] for one in result["verdicts"]] == ["ok"] * number
    assert len({(one["round"], one["provider"]) for one in result["verdicts"]}) == number
    paid = ROUNDS * sum(PRICES.get(name, CHEAP) for name in names)
    assert result["paid_msat"] == paid
    written = ledger.read(ledgers() / f"{run.name}.jsonl")
    assert Counter(one.what for one in written) == {"fund": 1, "reserve": number, "settle": number}
    assert ledger.balanced(written)
    balances = ledger.balances_of(written)
    assert (balances["purse"], balances["on-the-way"]) == (BUDGET - paid, 0)
    for name in names:
        eventually(lambda name=name: len(earned(name, run.name)) == ROUNDS, f"what {name} earns")
    assert sum(sum(earned(name, run.name)) for name in names) == paid
    assert market.ledger().balanced
    receipts = market.receipts(run.name)
    assert sorted((one.round, one.amount_sat) for one in receipts) == sorted(
        (round_, PRICES.get(name, CHEAP) / 1000) for name in names for round_ in range(1, ROUNDS + 1)
    )
    assert {one.id for one in receipts} == {one["event"] for one in result["receipts"]}
    assert run.telemetry["round"].values.tolist() == [1, 2, 3]
    assert len([one for one in market.calls() if one.job == run.name]) == 1


@pytest.fixture(scope="module")
def whole(market: Market, providers: list[Run], local_pilot: Pilot) -> TrainingResult:
    """The job, uninterrupted."""
    return job(market, local_pilot, "whole").result(timeout=120)


#: Where the customer and its supervisor are killed: target, which call of it, before or after it, kind of event.
CUSTOMER: dict[str, list[Any]] = {
    "bidding": [PUBLISH, 1, "after", events.CALL],
    "proposing": [SEND, 1, "after", events.CONTRACT],
    "before-the-first-round": ["pilothouse.market.customer:Customer._deal", 1, "after", None],
    "after-an-order": ["pilothouse.market.customer:Customer._order", 2, "after", None],
    "one-answer-of-two": ["pilothouse.market.committed:Committed.keep", 3, "after", None],
    "between-payment-and-delivery": [SEND, 3, "before", events.VERDICT],
    "delivered-and-not-noted": [SEND, 4, "after", events.VERDICT],
    "receipt-not-noted": [PUBLISH, 3, "after", events.RECEIPT],
    "all-paid-and-not-closed": ["pilothouse.market.books:Books.close_round", 2, "before", None],
    "after-the-last-round": ["pilothouse.market.customer:Customer.leave", 1, "before", None],
}


@pytest.mark.parametrize("point", CUSTOMER)
def test_a_job_goes_on_where_its_customer_was(
    market: Market, providers: list[Run], whole: TrainingResult, frail: Pilot, point: str
) -> None:
    before = [len(trained(run)) for run in providers]
    run = job(market, frail, point, tear=CUSTOMER[point])
    recovered(frail)
    result = run.result(timeout=90)
    assert frail.not_recovered == []
    assert RUNS.read(run.name).resumed == 1
    assert_books_agree(market, run, result, list(PRICES))
    model, expected = result.model(), whole.model()
    assert all((model.arrays[name] == values).all() for name, values in expected.arrays.items())
    assert [one["accuracy"] for one in result["rounds"]] == [one["accuracy"] for one in whole["rounds"]]
    assert [len(trained(run)) - number for run, number in zip(providers, before, strict=True)] == [ROUNDS, ROUNDS]


def test_a_job_whose_supervisor_alone_dies_keeps_its_contracts(
    market: Market, providers: list[Run], whole: TrainingResult, frail: Pilot
) -> None:
    """Its process lives long enough to see that, and must not end what another one will go on with."""
    run = job(market, frail, "orphaned")
    eventually(lambda: [one for one in run.events() if one["what"] == "accepted"], "a result")
    lose(frail)
    recovered(frail)
    result = run.result(timeout=90)
    assert_books_agree(market, run, result, list(PRICES))
    assert (result.model().arrays["W1"] == whole.model().arrays["W1"]).all()


def test_a_job_whose_provider_has_gone_says_so_and_keeps_its_money(
    market: Market, frail: Pilot, local_pilot: Pilot
) -> None:
    gone = provider(market, local_pilot, "pia")
    tear = [PUBLISH, 1, "after", events.RECEIPT]
    run = job(market, frail, "left", providers=1, rounds=5, tear=tear, round_seconds=3.0)
    eventually(lambda: frail.state == "lost", "the loss to be seen", within=90)
    gone.stop()
    frail.recover()
    with pytest.raises(ph.errors.Failed, match="no provider is left after round 3"):
        run.result(timeout=90)
    written = ledger.read(ledgers() / "left.jsonl")
    assert ledger.balances_of(written)["purse"] == BUDGET - CHEAP
    assert ledger.balances_of(written)["on-the-way"] == 0


def test_a_job_that_stood_still_for_longer_than_its_contracts_fails_and_keeps_its_money(
    market: Market, providers: list[Run], frail: Pilot
) -> None:
    run = job(market, frail, "late", tear=CUSTOMER["before-the-first-round"])
    eventually(lambda: frail.state == "lost", "the loss to be seen", within=90)
    path = RUNS.folder(run.name) / COMMITTED
    committed = json.loads(path.read_bytes())
    for signed in committed["signed"]:
        signed["contract"]["expires"] = 1
    path.write_text(json.dumps(committed))
    frail.recover()
    with pytest.raises(ph.errors.Failed, match=r"stood still for too long: .* 10000 sat of its budget are not spent"):
        run.result(timeout=90)
    assert ledger.balances_of(ledger.read(ledgers() / "late.jsonl"))["purse"] == BUDGET


def test_a_job_survives_a_second_loss_in_the_middle_of_its_recovery(
    market: Market, providers: list[Run], whole: TrainingResult, frail: Pilot
) -> None:
    run = job(market, frail, "twice", tear=CUSTOMER["one-answer-of-two"])
    recovered(frail)
    eventually(lambda: [one for one in run.events() if one["what"] == "job continued"], "the job to go on")
    lose(frail)
    recovered(frail)
    result = run.result(timeout=90)
    assert_books_agree(market, run, result, list(PRICES))
    assert (result.model().arrays["W1"] == whole.model().arrays["W1"]).all()
    assert RUNS.read(run.name).resumed == 2


def test_a_job_that_goes_on_can_be_stopped_and_frees_its_providers(
    market: Market, providers: list[Run], frail: Pilot
) -> None:
    run = job(market, frail, "stopped", rounds=40, tear=CUSTOMER["one-answer-of-two"])
    recovered(frail)
    eventually(lambda: (run.progress or {"done": 0})["done"] >= 3, "some rounds")
    run.stop()
    result = run.result()
    number = len(result["rounds"])
    assert result["paid_msat"] == number * sum(PRICES.values())

    def ended(seller: Run) -> bool:
        return any(one["what"] == "contract ended" and one["job"] == "stopped" for one in seller.events())

    eventually(lambda: all(ended(seller) for seller in providers), "the end of both contracts")


#: The same for a provider.
PROVIDER: dict[str, list[Any]] = {
    "bid-not-sent": [SEND, 1, "before", events.BID],
    "signed-and-not-told": [SEND, 1, "before", events.ACCEPTANCE],
    "in-training": ["pilothouse.market.learning.trainers:train", 2, "before", None],
    "result-not-sent": [SEND, 2, "before", events.RESULT],
    "result-sent": [SEND, 2, "after", events.RESULT],
    "earned-and-not-noted": ["pilothouse.market.money.notes:NoteWallet.receive", 2, "after", None],
}


@pytest.mark.parametrize("point", PROVIDER)
def test_a_provider_goes_on_selling_under_its_key(market: Market, frail: Pilot, local_pilot: Pilot, point: str) -> None:
    seller = provider(market, frail, f"rita-{point}", tear=PROVIDER[point])
    (key,) = {one.provider for one in market.offers() if one.name == seller.name}
    run = job(market, local_pilot, f"for-{point}", providers=1, bid_seconds=30.0)
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


def test_everything_on_one_lost_pilot_goes_on_together(state_home: Path) -> None:
    """Relay, blobs, provider and customer die at once: the relay has forgotten everything when it is back."""
    pilot = ph.submit("local", name="all", nodes=2, lease="1h").wait(timeout=60)
    market = ph.market.connect(pilot=pilot)
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
    market.close()


def test_a_customer_whose_process_alone_is_killed_goes_on(
    market: Market, providers: list[Run], whole: TrainingResult, local_pilot: Pilot
) -> None:
    run = job(market, local_pilot, "killed")
    eventually(lambda: [one for one in run.events() if one["what"] == "accepted"], "a result")
    (started,) = [one for one in run.events() if one["what"] == "process started"]
    os.kill(started["pid"], signal.SIGKILL)
    result = run.result(timeout=90)
    assert_books_agree(market, run, result, list(PRICES))
    assert (result.model().arrays["W1"] == whole.model().arrays["W1"]).all()
    (died,) = [one for one in run.events() if one["what"] == "process died"]
    assert died["code"] == -signal.SIGKILL


def test_a_provider_whose_node_is_killed_goes_on_at_another(market: Market, frail: Pilot, local_pilot: Pilot) -> None:
    seller = provider(market, frail, "tess")
    run = job(market, local_pilot, "tess-works", providers=1)
    eventually(lambda: trained(seller), "a training")
    (node,) = frail.nodes
    os.kill(next(one.pid for one in PILOTS.read(frail.name).nodes if one.name == node.name), signal.SIGKILL)
    assert_books_agree(market, run, run.result(timeout=120), ["tess"])
    places = [one["node"] for one in seller.events() if one["what"] == "process started"]
    assert places[0] == node.name
    assert places[1] != node.name


def test_a_provider_offers_again_when_its_relay_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.market.provider.OFFER_RENEWAL", 0.3)
    monkeypatch.setattr("pilothouse.market.provider.OFFER_RETRY", 0.1)
    relay = EmbeddedRelay()
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
        again = eventually(lambda: EmbeddedRelay(int(relay.url.rsplit(":", 1)[1])), "the port")
        with Session(Identity.generate(), [again.url]) as looking:
            eventually(lambda: looking.fetch({"kinds": [events.OFFER]}), "the offer")
    finally:
        stop.set()
        serving.join(60)
        session.close()
        again.close()
    assert not serving.is_alive()
