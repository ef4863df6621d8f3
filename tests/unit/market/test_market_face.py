"""What the user types and sees: arguments, lists, light imports."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from pilothouse.errors import Conflict, InvalidInput, NotFound, Unavailable
from pilothouse.market import connect, ledger
from pilothouse.market.listing import ListedOffer, Listing
from pilothouse.market.market import Market
from pilothouse.market.messages import events
from pilothouse.market.messages.message import Message
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.relay import EmbeddedRelay
from pilothouse.market.nostr.session import Session
from pilothouse.pilots import Pilot
from pilothouse.pilots.submission import pilots
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, ProcessRef, RunRecord, State
from pilothouse.runs.handle import runs
from pilothouse.state import utcnow


@pytest.fixture(scope="module")
def relay() -> Iterator[str]:
    relay = EmbeddedRelay(lambda pubkey: True)
    yield relay.url
    relay.close()


@pytest.fixture
def market(relay: str, state_home: Path) -> Iterator[Market]:
    market = connect([relay], blobs="http://127.0.0.1:9")
    yield market
    market.close()


def test_import_of_the_market_is_light() -> None:
    program = (
        "import sys, pilothouse.market\n"
        "heavy = {'nostr_sdk', 'numpy', 'sklearn', 'safetensors', 'tornado', 'distributed', 'pydantic', 'bokeh'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_drivers_leave_the_supervisor_light() -> None:
    program = (
        "import sys, pilothouse.market.lab_market.driver\n"
        "import pilothouse.market.provider.driver, pilothouse.market.customer.driver\n"
        "print(sorted({'nostr_sdk', 'sklearn', 'safetensors', 'tornado'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_unreachable_relay_is_named_and_nothing_is_left_behind(state_home: Path) -> None:
    url = "ws://127.0.0.1:9"
    with pytest.raises(Unavailable, match=url):
        connect([url])
    assert runs() == []
    assert not list(state_home.glob("pilots/*.json"))


def test_looking_at_a_lab_market_that_does_not_run_starts_nothing(state_home: Path) -> None:
    with pytest.raises(NotFound, match="no lab market"):
        connect(start=False)
    assert ledger().balanced
    assert runs() == []
    assert pilots() == []


X, Y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("call", {"call": "magic"}),
        ("data", {"data": "mnist"}),
        ("data", {"data": (X, Y[:-1])}),
        ("budget", {"budget": -1}),
        ("budget", {"budget": 1.5}),
        ("budget", {"budget": 10**15}),
        ("budget", {"budget": 0}),
        ("rounds", {"rounds": 0}),
        ("providers", {"providers": 101}),
        ("held_out", {"held_out": 1.0}),
        ("held_out", {"held_out": 0.01}),
        ("providers", {"providers": 10}),
        ("epochs", {"training": {"epochs": 0}}),
        ("trainer", {"training": {"trainer": "gpt"}}),
        ("epoch", {"training": {"epoch": 5}}),
        ("min_loss", {"validation": {"min_loss": 0.1}}),
        ("max_norm", {"validation": {"max_norm": -1}}),
        ("name", {"name": "No Name"}),
    ],
)
def test_bad_argument_of_post_is_named_and_nothing_is_left_behind(
    market: Market, field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        market.post(**({"call": "fedavg", "data": (X, Y), "budget": 100} | values))
    assert caught.value.field == field
    assert runs() == []
    assert list(market.calls()) == []


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("price", {"price": -1}),
        ("price", {"price": True}),
        ("algorithms", {"algorithms": ["diloco"]}),
        ("algorithms", {"algorithms": []}),
        ("algorithms", {"algorithms": "fedavg"}),
        ("capacity", {"capacity": 0}),
        ("name", {"name": "../x"}),
    ],
)
def test_bad_argument_of_provide_is_named_and_nothing_is_left_behind(
    market: Market, field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        market.provide(**values)
    assert caught.value.field == field
    assert runs() == []


def test_buying_on_relays_of_ones_own_needs_a_blob_server(relay: str, state_home: Path) -> None:
    market = connect([relay])
    with pytest.raises(InvalidInput, match="blobs"):
        market.post("fedavg", data=(X, Y), budget=100)
    market.close()


def test_offer_of_a_stranger_is_shown_escaped_and_nonsense_is_not_shown(market: Market) -> None:
    stranger = Identity.generate()
    offer = events.Offer(
        name="mallory", algorithms=["fedavg"], trainers=["mlp"], price_msat=1500, payments=["test"], cores=4,
        capacity=1, max_blob=1,
    )  # fmt: skip
    evil = offer.text().replace('"mallory"', '"<script>"')
    with Session(stranger, market.relays) as session:
        session.publish(events.OFFER, offer.text(), [["d", "a"], ["t", events.NAMESPACE]], ttl=60)
        session.publish(events.OFFER, evil, [["d", "b"], ["t", events.NAMESPACE]], ttl=60)
        session.publish(events.OFFER, "nonsense", [["d", "c"], ["t", events.NAMESPACE]], ttl=60)
    (found,) = market.offers()
    assert (found.name, found.price_sat, found.provider) == ("mallory", 1.5, stranger.pubkey)
    assert "mallory" in repr(market.offers())
    assert ">mallory</th>" in market.offers()._repr_html_()


def test_title_with_markup_is_escaped_in_html_and_has_no_control_characters_in_text(market: Market) -> None:
    stranger = Identity.generate()
    call = events.Call(
        job="evil", title="<img src=x onerror=alert(1)>\x1b[2J", training=events.Training(), parameters=1, samples=1,
        rounds=1, providers=1, max_price_msat=1, validation="0" * 64, bids_until=10**18,
    )  # fmt: skip
    with Session(stranger, market.relays) as session:
        sent = session.publish(events.CALL, call.text(), [["t", events.NAMESPACE]], ttl=2)
    calls = Listing("calls", [one for one in market.calls() if one.id == sent.id])
    assert len(calls) == 1
    assert "<img" not in calls._repr_html_()
    assert "&lt;img" in calls._repr_html_()
    assert "\x1b" not in repr(calls)


def test_empty_list_says_so() -> None:
    nothing: Listing[ListedOffer] = Listing("offers", [])
    assert repr(nothing) == "no offers"
    assert "no offers" in nothing._repr_html_()


def test_message_tells_its_tags_and_expiry() -> None:
    tags = (("p", "a"), ("p", "b"), ("expiration", "1"), ("-",))
    message = Message(id="0", author="1", kind=1, content="", tags=tags, created_at=0)
    assert (message.tag("p"), message.values("p"), message.tag("-"), message.expired) == ("a", ["a", "b"], None, True)


@pytest.mark.parametrize("expiration", ["", "soon", "²", "9" * 5000, "-1", "1"])
def test_expiration_that_is_no_time_to_come_has_passed(expiration: str) -> None:
    message = Message("0", "1", kind=1, content="", tags=(("expiration", expiration),), created_at=0)
    assert message.expired


def test_job_of_another_kind_is_not_found(state_home: Path) -> None:
    from pilothouse.market import Job

    with pytest.raises(NotFound):
        Job("nothing")


def test_one_provider_sells_under_a_name_whatever_its_run_is_called(market: Market) -> None:
    """Its key has one ledger: a second one would wait for that, and fail."""
    record = PilotRecord(name="kept", site="local", state=State.RUNNING, created=utcnow())
    me = psutil.Process()
    record.supervisor = ProcessRef(host=socket.gethostname(), pid=me.pid, started=me.create_time())
    PILOTS.write(record)
    live = RunRecord(
        name="ada-2", kind="provider", pilot="kept", state=State.RUNNING, created=utcnow(), parameters={"name": "ada"}
    )
    RUNS.write(live)
    try:
        with pytest.raises(Conflict, match=r"a provider sells under that name; ph.attach\('ada-2'\) finds it"):
            market.provide("ada", pilot=Pilot("kept"))
    finally:
        record.state = State.FINISHED
        PILOTS.write(record)
