"""Whom a lab market lets in, as its folder and the user's keys say; and whom a customer hires there."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Conflict, Failed, InvalidInput, NotFound
from pilothouse.market import connect
from pilothouse.market.customer.hiring import Hiring
from pilothouse.market.customer.state import Committed
from pilothouse.market.lab_market.admission import ADMITTED, Admission
from pilothouse.market.lab_market.following import key_file
from pilothouse.market.messages import events
from pilothouse.market.messages.parameters import JobParameters
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.relay import EmbeddedRelay
from pilothouse.market.nostr.session import Session

EVE = Identity.generate()


@pytest.fixture
def folder(state_home: Path, tmp_path: Path) -> Path:
    path = tmp_path / "market"
    path.mkdir(mode=0o700)
    return path


def test_own_keys_are_let_in_as_soon_as_they_are_made_and_nobody_else(folder: Path) -> None:
    door = Admission(folder)
    assert not door.admits(EVE.pubkey)
    ada = Identity.load(key_file("provider-ada"))
    assert door.admits(ada.pubkey)
    assert not door.admits(EVE.pubkey)
    assert [(one.npub, one.name) for one in door.listed()] == [(ada.npub, "provider-ada")]


def test_key_that_was_replaced_or_that_others_can_read_is_the_users_no_more(folder: Path) -> None:
    door = Admission(folder)
    old = Identity.load(key_file("ada"))
    assert door.admits(old.pubkey)
    key_file("ada").unlink()
    new = Identity.load(key_file("ada"))
    assert not door.admits(old.pubkey)
    assert door.admits(new.pubkey)
    key_file("ada").chmod(0o644)
    assert not door.admits(new.pubkey)


def test_admitted_key_is_let_in_for_every_process_until_it_is_dismissed(folder: Path) -> None:
    serving, user = Admission(folder), Admission(folder)
    user.admit(EVE.npub)
    user.admit(EVE.pubkey)
    assert serving.admits(EVE.pubkey)
    assert Admission(folder).admits(EVE.pubkey)  # a market that goes on after another
    (listed,) = serving.listed()
    assert (listed.npub, listed.name) == (EVE.npub, "")
    assert (folder / ADMITTED).stat().st_mode & 0o777 == 0o700
    user.dismiss(EVE.npub)
    assert not serving.admits(EVE.pubkey)
    assert serving.listed() == []
    with pytest.raises(NotFound, match="not let in"):
        user.dismiss(EVE.npub)


@pytest.mark.parametrize("key", ["", "eve", "../../customer", "0" * 63, "npub1zzzz", "/" * 64])
def test_what_is_no_public_key_is_refused(folder: Path, key: str) -> None:
    for verb in (Admission(folder).admit, Admission(folder).dismiss):
        with pytest.raises(InvalidInput, match="public key") as caught:
            verb(key)
        assert caught.value.field == "key"
    assert os.listdir(folder) == []
    assert not Admission(folder).admits(key)


def test_secret_key_is_refused_and_not_repeated(folder: Path) -> None:
    Identity.load(key_file("customer"))
    secret = key_file("customer").read_text().strip()
    with pytest.raises(InvalidInput, match="secret key") as caught:
        Admission(folder).admit(secret)
    assert secret not in str(caught.value)


def test_own_key_can_not_be_dismissed(folder: Path) -> None:
    own = Identity.load(key_file("customer"))
    with pytest.raises(InvalidInput, match="'customer'"):
        Admission(folder).dismiss(own.npub)
    assert Admission(folder).admits(own.pubkey)


def test_relays_of_others_have_no_door_of_ours(state_home: Path) -> None:
    relay = EmbeddedRelay(lambda pubkey: True)
    market = connect([relay.url])
    try:
        for verb in (market.admitted, lambda: market.admit(EVE.npub), lambda: market.dismiss(EVE.npub)):
            with pytest.raises(Conflict, match="without relays"):
                verb()
    finally:
        market.close()
        relay.close()


@pytest.mark.parametrize(("admits", "fitting"), [([], 0), ([EVE.pubkey], 1)])
def test_stranger_whose_offer_got_here_is_not_hired(tmp_path: Path, admits: list[str], fitting: int) -> None:
    relay = EmbeddedRelay(lambda pubkey: True)
    offer = events.Offer(
        name="cheap", algorithms=["fedavg"], trainers=["mlp"], price_msat=0, payments=["test"], cores=4, capacity=1,
        max_blob=1,
    )  # fmt: skip
    job = JobParameters.model_validate(
        {
            "job": "a-job", "key": "customer", "title": "", "relays": [relay.url], "blobs": "http://127.0.0.1:9",
            "rounds": 1, "providers": 1, "budget_msat": 1000, "bid_seconds": 1.0,
        }
    )  # fmt: skip
    said: list[dict[str, Any]] = []
    try:
        with Session(EVE, [relay.url]) as eve, Session(Identity.generate(), [relay.url]) as mine:
            eve.publish(events.OFFER, offer.text(), [["d", "cheap"], ["t", "fedavg"]], ttl=60)
            mine.listen()

            def bid(message: dict[str, Any]) -> None:
                said.append(message)
                if message["event"] == "call published":
                    answer = events.Bid(call=message["id"], job=job.job, price_msat=0)
                    eve.send(mine.identity.pubkey, events.BID, answer.text(), ttl=60)

            hiring = Hiring(job, mine, Committed.load(tmp_path), bid, threading.Event(), admits.__contains__)
            if not fitting:
                with pytest.raises(Failed, match="0 fitting offers"):
                    hiring.hire(1, 1, "0" * 64)
            else:
                _, bids = hiring._call(1, 1)
                assert [provider for provider, _ in bids] == [EVE.pubkey]
    finally:
        relay.close()
