"""Keys, relays, gift wraps and signatures, over a real embedded relay."""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import InvalidInput, PilothouseError, Unavailable, Untrusted
from pilothouse.market.messages import message
from pilothouse.market.nostr import relay as relays
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import GIFT_WRAP, verify
from pilothouse.market.nostr.relay import EmbeddedRelay
from pilothouse.market.nostr.session import Session
from pilothouse.market.nostr.stored import Filter, Stored
from tests.library_relay import LibraryRelay
from tests.waiting import slowness


@pytest.fixture(scope="module", params=["embedded", "library"])
def relay(request: pytest.FixtureRequest) -> Iterator[str]:
    """The embedded relay, and the independent one of nostr_sdk: what a session does, it does on both."""
    relay = EmbeddedRelay(everybody) if request.param == "embedded" else LibraryRelay()
    yield relay.url
    relay.close()


def everybody(pubkey: str) -> bool:
    return True


def test_key_file_is_private_and_the_identity_survives_in_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "alice.nsec"
    alice = Identity.load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Identity.load(path).pubkey == alice.pubkey
    assert [each.name for each in path.parent.iterdir()] == ["alice.nsec"]


def test_identity_does_not_show_or_pickle_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "alice.nsec"
    alice = Identity.load(path)
    assert path.read_text().strip() not in repr(alice)
    assert alice.npub in repr(alice)
    with pytest.raises(TypeError, match="pass the path"):
        pickle.dumps(alice)


def test_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "alice.nsec"
    Identity.load(path)
    path.chmod(0o644)
    with pytest.raises(PilothouseError, match="chmod 600"):
        Identity.load(path)


def test_key_file_with_something_else_in_it_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "alice.nsec"
    path.touch(0o600)
    path.write_text("nsec1-not-a-key")
    with pytest.raises(PilothouseError, match="no Nostr secret key") as caught:
        Identity.load(path)
    assert "nsec1-not-a-key" not in str(caught.value)


def test_published_event_arrives_with_its_author_and_expiry(relay: str) -> None:
    alice, bob = Identity.generate(), Identity.generate()
    with Session(alice, [relay]) as sender, Session(bob, [relay]) as listener:
        listener.listen({"kinds": [5701], "authors": [alice.pubkey]})
        sent = sender.publish(5701, "training wanted", [["t", "x"]], ttl=60)
        heard = listener.receive(5)
        assert heard == sent
        assert heard is not None
        assert heard.author == alice.pubkey
        assert 0 < int(heard.tag("expiration") or 0) - time.time() <= 60
        assert sender.fetch({"kinds": [5701], "authors": [alice.pubkey]}) == [sent]


def test_private_message_reaches_its_receiver_only(relay: str) -> None:
    alice, bob, eve = (Identity.generate() for _ in range(3))
    with Session(alice, [relay]) as sender, Session(bob, [relay]) as receiver:
        sender.send(bob.pubkey, 5702, "x" * message.MAX_PRIVATE, ttl=60)
        receiver.listen()  # after it was sent: the relay kept it
        heard = receiver.receive(5)
        assert heard is not None
        assert (heard.author, heard.kind, heard.private) == (alice.pubkey, 5702, True)
        assert heard.content == "x" * message.MAX_PRIVATE
    with Session(eve, [relay]) as other:
        assert other.fetch({"kinds": [GIFT_WRAP], "#p": [bob.pubkey]}) == []


def test_catching_up_gives_all_private_messages_however_many_there_are(
    relay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.market.nostr.session.PAGE", 20)
    alice, bob = Identity.generate(), Identity.generate()
    number = 70
    with Session(alice, [relay]) as sender:
        sent = [sender.send_soon(bob.pubkey, 5704, str(i), ttl=600) for i in range(number)]
        for future in sent:
            future.result(60)
    with Session(bob, [relay]) as receiver:
        receiver.listen(catch_up=True)
        found = []
        while (heard := receiver.receive(0)) is not None:
            found.append(heard.content)
        assert sorted(found, key=int) == [str(i) for i in range(number)]
        assert receiver.receive(1) is None  # and none of them again


def test_what_arrives_when_the_last_stored_event_has_come_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay passes on what others send it until it hears that a request is over."""
    late: list[Stored] = []
    asked = relays._Connection._subscribe

    def answer(connection: relays._Connection, name: str, wanted: list[Any]) -> None:
        asked(connection, name, wanted)
        if late and any(GIFT_WRAP in one["kinds"] for one in wanted):
            event = late.pop()
            there.events.take(event)
            connection.offer(event)

    monkeypatch.setattr(relays._Connection, "_subscribe", answer)
    elsewhere, there = EmbeddedRelay(everybody), EmbeddedRelay(everybody)
    alice, bob = Identity.generate(), Identity.generate()
    try:
        with Session(alice, [elsewhere.url]) as sender:
            sender.send(bob.pubkey, 5704, "an order", ttl=60)
        late += elsewhere.events.find(Filter(kinds=frozenset({GIFT_WRAP})), lambda _: True)
        with Session(bob, [there.url]) as receiver:
            receiver.listen({"kinds": [5701]}, catch_up=True)
            heard = receiver.receive(5)
            assert heard is not None
            assert heard.content == "an order"
            assert receiver.receive(0.5) is None
    finally:
        elsewhere.close()
        there.close()


def test_sending_can_be_awaited(relay: str) -> None:
    alice, bob = Identity.generate(), Identity.generate()
    with Session(alice, [relay]) as session, Session(bob, [relay]) as receiver:

        async def send() -> None:
            await asyncio.wrap_future(session.send_soon(bob.pubkey, 5702, "from a cell", ttl=60))

        asyncio.run(send())
        receiver.listen()
        heard = receiver.receive(5)
        assert heard is not None
        assert heard.content == "from a cell"


@pytest.mark.parametrize("field", ["content", "created_at", "pubkey", "sig"])
def test_event_with_a_wrong_signature_is_untrusted(field: str) -> None:
    alice, other = Identity.generate(), Identity.generate()
    event = json.loads(alice.sign(5701, "pay 1 sat"))
    assert verify(json.dumps(event)).content == "pay 1 sat"
    if field == "sig":
        event["sig"] = json.loads(other.sign(5701, "pay 1 sat"))["sig"]
    else:
        event[field] = {"content": "pay 1000 sat", "created_at": 1, "pubkey": other.pubkey}[field]
    with pytest.raises(Untrusted) as caught:
        verify(json.dumps(event))
    assert caught.value.field in {"id", "sig"}


def test_text_that_is_no_event_is_untrusted() -> None:
    with pytest.raises(Untrusted, match="not a Nostr event"):
        verify("{}")


def test_event_over_the_size_budget_is_refused_before_it_is_sent(relay: str) -> None:
    alice = Identity.generate()
    with Session(alice, [relay]) as session:
        with pytest.raises(InvalidInput, match="blob"):
            session.publish(5701, "x" * (message.MAX_PUBLIC + 1), ttl=60)
        with pytest.raises(InvalidInput, match="blob"):
            session.send(alice.pubkey, 5702, "x" * (message.MAX_PRIVATE + 1), ttl=60)
        assert session.fetch({"kinds": [5701], "authors": [alice.pubkey]}) == []


def test_relay_that_refuses_connections_is_named_at_once() -> None:
    with socket.socket() as bound:  # bound but not listening: nobody else can answer there
        bound.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{bound.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=url) as caught:
            Session(Identity.generate(), [url])
        assert caught.value.field == "relays"
        assert time.monotonic() - begun < 5 * slowness()


def test_relay_that_accepts_and_says_nothing_is_named_within_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Unavailable, match=url):
            Session(Identity.generate(), [url], timeout=0.5)


@pytest.mark.parametrize("relays", [[], ["relay.example"], ["http://relay.example"]])
def test_relays_that_are_no_urls_are_named(relays: list[str]) -> None:
    with pytest.raises(InvalidInput, match="relays"):
        Session(Identity.generate(), relays)


def test_publishing_fails_loudly_when_the_relay_is_gone() -> None:
    relay = EmbeddedRelay(everybody)
    session = Session(Identity.generate(), [relay.url], timeout=0.5)
    relay.close()
    with pytest.raises(Unavailable):
        session.publish(5701, "hello", ttl=60)
    session.close()


def test_process_that_leaves_its_sessions_open_ends_cleanly() -> None:
    """The library's threads call back into Python: unstopped, they crash an interpreter that is going."""
    program = (
        "from pilothouse.market.nostr import relay\n"
        "from pilothouse.market.nostr.identity import Identity\n"
        "from pilothouse.market.nostr.session import Session\n"
        "relay = relay.EmbeddedRelay(lambda pubkey: True)\n"
        "session = Session(Identity.generate(), [relay.url])\n"
        "session.listen({'kinds': [5701]})\n"
        "session.publish(5701, 'hello', ttl=60)\n"
    )
    ended = [subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode for _ in range(3)]
    assert ended == [0, 0, 0]
