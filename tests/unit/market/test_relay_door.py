"""Whom the embedded relay lets in: over real connections, also of clients that do not play by the rules."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from pilothouse.errors import Refused, Unavailable
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import GIFT_WRAP
from pilothouse.market.nostr.relay import MOST_EVENT, EmbeddedRelay
from pilothouse.market.nostr.session import Session

ALICE, BOB, EVE = (Identity.generate() for _ in range(3))
NOTE = 5701


@pytest.fixture
def admitted() -> set[str]:
    return {ALICE.pubkey, BOB.pubkey}


@pytest.fixture
def relay(admitted: set[str]) -> Iterator[EmbeddedRelay]:
    relay = EmbeddedRelay(admitted.__contains__)
    yield relay
    relay.close()


class Client:
    """A client that says what it is told to."""

    def __init__(self, socket: WebSocketClientConnection, url: str) -> None:
        self._socket = socket
        self._url = url
        self.challenge = ""

    async def ask(self, *words: Any) -> list[Any]:
        """Say `words`, and hear the answer."""
        await self._socket.write_message(words[0] if len(words) == 1 else json.dumps(words))
        return await self.hear()

    async def hear(self) -> list[Any]:
        text = await asyncio.wait_for(self._socket.read_message(), 10)
        assert text is not None, "the relay hung up"
        heard: list[Any] = json.loads(text)
        return heard

    async def prove(self, identity: Identity, **changes: str) -> list[Any]:
        tags = {"relay": self._url, "challenge": self.challenge} | changes
        return await self.ask("AUTH", json.loads(identity.sign(22242, "", [[*one] for one in tags.items()])))


def talk(relay: EmbeddedRelay, what: Callable[[Client], Awaitable[None]]) -> None:
    """Have a new connection do `what`."""

    async def talking() -> None:
        socket = await websocket_connect(relay.url)
        client = Client(socket, relay.url)
        word, client.challenge = await client.hear()
        assert word == "AUTH"
        try:
            await what(client)
        finally:
            socket.close()

    asyncio.run(talking())


def note(identity: Identity, text: str = "hello", kind: int = NOTE, *tags: list[str]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(identity.sign(kind, text, tags))
    return event


def published(relay: EmbeddedRelay, *texts: str) -> None:
    with Session(ALICE, [relay.url]) as session:
        for text in texts:
            session.publish(NOTE, text, ttl=60)


def texts(relay: EmbeddedRelay) -> list[str]:
    with Session(BOB, [relay.url]) as session:
        return [one.content for one in session.fetch({"kinds": [NOTE]})]


def test_client_without_a_key_reads_nothing_and_writes_nothing(relay: EmbeddedRelay) -> None:
    published(relay, "secret")

    async def stranger(client: Client) -> None:
        assert (await client.ask("REQ", "a", {}))[:2] == ["CLOSED", "a"]
        word, _, taken, why = await client.ask("EVENT", note(EVE))
        assert (word, taken) == ("OK", False)
        assert why.startswith("auth-required")
        _, _, taken, _ = await client.ask("EVENT", note(ALICE, "replayed"))
        assert not taken
        assert (await client.ask("COUNT", "a", {}))[0] == "NOTICE"

    talk(relay, stranger)
    assert texts(relay) == ["secret"]


def test_client_with_a_key_of_its_own_reads_nothing_and_writes_nothing(relay: EmbeddedRelay) -> None:
    published(relay, "secret")

    async def stranger(client: Client) -> None:
        assert (await client.prove(EVE))[2] is False
        for filters in ({}, {"kinds": [NOTE]}, {"kinds": [GIFT_WRAP]}, {"authors": [EVE.pubkey]}):
            word, _, why = await client.ask("REQ", "a", filters)
            assert word == "CLOSED"
            assert why.startswith("restricted")
        _, _, taken, why = await client.ask("EVENT", note(EVE))
        assert not taken
        assert why.startswith("restricted")

    talk(relay, stranger)
    assert texts(relay) == ["secret"]
    assert len(relay.events.find(_everything(), lambda event: True)) == 1
    with pytest.raises(Refused, match=EVE.npub):
        Session(EVE, [relay.url])


def _everything() -> Any:
    from pilothouse.market.nostr.stored import Filter

    return Filter()


@pytest.mark.parametrize(
    "changes",
    [{"challenge": "0" * 32}, {"relay": "ws://127.0.0.1:9"}, {"relay": "wss://relay.example"}, {"relay": "%"}],
)
def test_proof_that_was_given_to_somebody_else_proves_nothing(relay: EmbeddedRelay, changes: dict[str, str]) -> None:
    async def replay(client: Client) -> None:
        _, _, taken, why = await client.prove(ALICE, **changes)
        assert not taken
        assert why.startswith("invalid")
        assert (await client.ask("REQ", "a", {}))[0] == "CLOSED"

    talk(relay, replay)


def test_forged_proof_proves_nothing(relay: EmbeddedRelay) -> None:
    async def forge(client: Client) -> None:
        proof = json.loads(EVE.sign(22242, "", [["relay", relay.url], ["challenge", client.challenge]]))
        assert (await client.ask("AUTH", proof | {"pubkey": ALICE.pubkey}))[2] is False
        wrong_kind = json.loads(ALICE.sign(1, "", [["relay", relay.url], ["challenge", client.challenge]]))
        assert (await client.ask("AUTH", wrong_kind))[2] is False
        assert (await client.ask("REQ", "a", {}))[0] == "CLOSED"

    talk(relay, forge)


def test_who_is_admitted_is_let_in_and_who_is_dismissed_is_shut_out_while_connected(
    relay: EmbeddedRelay, admitted: set[str]
) -> None:
    async def eve(client: Client) -> None:
        await client.prove(EVE)
        assert (await client.ask("REQ", "a", {"kinds": [NOTE]}))[0] == "CLOSED"
        admitted.add(EVE.pubkey)
        assert await client.ask("REQ", "a", {"kinds": [NOTE]}) == ["EOSE", "a"]
        assert (await client.ask("EVENT", note(EVE, "thanks")))[2] is True
        assert (await client.hear())[:2] == ["EVENT", "a"]
        admitted.discard(EVE.pubkey)
        await asyncio.to_thread(published, relay, "not for eve")
        assert (await client.hear())[:2] == ["CLOSED", "a"]
        assert (await client.ask("EVENT", note(EVE, "again")))[2] is False

    talk(relay, eve)
    assert sorted(texts(relay)) == ["not for eve", "thanks"]


def test_what_a_stranger_signed_is_not_taken_from_one_who_is_let_in(relay: EmbeddedRelay) -> None:
    async def bob(client: Client) -> None:
        await client.prove(BOB)
        assert (await client.ask("EVENT", note(EVE, "smuggled")))[2] is False
        assert (await client.ask("EVENT", note(ALICE, "passed on")))[2] is True
        _, _, taken, why = await client.ask("EVENT", note(ALICE, "hers alone", NOTE, ["-"]))
        assert (taken, why.partition(":")[0]) == (False, "restricted")

    talk(relay, bob)
    assert texts(relay) == ["passed on"]


def test_gift_wraps_are_given_to_their_receiver_alone_also_while_others_listen(relay: EmbeddedRelay) -> None:
    async def alice(client: Client) -> None:
        await client.prove(ALICE)
        assert await client.ask("REQ", "all", {}) == ["EOSE", "all"]

        def send() -> None:
            with Session(BOB, [relay.url]) as session, Session(ALICE, [relay.url]) as other:
                session.send(BOB.pubkey, 5702, "to myself", ttl=60)
                other.send(ALICE.pubkey, 5702, "to alice", ttl=60)

        await asyncio.to_thread(send)
        heard = await client.hear()
        assert ["p", ALICE.pubkey] in heard[2]["tags"]
        assert (await client.ask("REQ", "bobs", {"kinds": [GIFT_WRAP], "#p": [BOB.pubkey]})) == ["EOSE", "bobs"]

    talk(relay, alice)


@pytest.mark.parametrize(
    "said",
    [
        "no json", "[" * 100_000, "{}", '["EVENT", 1]', '["REQ"]', '["EVENT", {"content": "\\ud800"}]',
        '["REQ", "a", {"kinds": ["x"]}]', '["REQ", "a", {"kinds": [[]]}]', '["REQ", "a", {"limit": -1}]',
        '["REQ", "a"]', '["REQ", "a", 5]',
    ],
)  # fmt: skip
def test_nonsense_is_refused_and_the_connection_goes_on(relay: EmbeddedRelay, said: str) -> None:
    async def nonsense(client: Client) -> None:
        await client.prove(ALICE)
        assert (await client.ask(said))[0] in {"NOTICE", "OK", "CLOSED"}
        assert (await client.ask("EVENT", note(ALICE)))[2] is True

    talk(relay, nonsense)


def test_event_that_is_too_large_is_refused(relay: EmbeddedRelay) -> None:
    async def large(client: Client) -> None:
        await client.prove(ALICE)
        _, _, taken, why = await client.ask("EVENT", note(ALICE, "x" * MOST_EVENT))
        assert not taken
        assert str(MOST_EVENT) in why

    talk(relay, large)


def test_stored_events_follow_the_rules_of_their_kind(relay: EmbeddedRelay) -> None:
    """Of an addressable event the newest, of an ephemeral one none, of a deleted and an expired one nothing."""

    def offer(text: str, age: int) -> dict[str, Any]:
        return json.loads(_signed(ALICE, 30571, text, [["d", "ada"]], age))  # type: ignore[no-any-return]

    async def alice(client: Client) -> None:
        await client.prove(ALICE)
        for event in (offer("older", 20), offer("newer", 10)):
            assert (await client.ask("EVENT", event))[2] is True
        _, _, taken, why = await client.ask("EVENT", offer("oldest", 30))
        assert (taken, why.partition(":")[0]) == (True, "duplicate")
        assert (await client.ask("EVENT", note(ALICE, "gone", 20_001)))[2] is True
        assert (await client.ask("EVENT", note(ALICE, "late", NOTE, ["expiration", "1"])))[2] is False
        dropped = note(ALICE, "dropped")
        for event in (dropped, note(ALICE, "kept"), note(ALICE, "", 5, ["e", dropped["id"]])):
            assert (await client.ask("EVENT", event))[2] is True
        assert (await client.ask("EVENT", dropped))[2] is False  # nor does it come back
        assert (await client.ask("EVENT", note(BOB, "", 5, ["a", f"30571:{ALICE.pubkey}:ada"])))[2] is True  # not his

    talk(relay, alice)
    with Session(BOB, [relay.url]) as session:
        assert [one.content for one in session.fetch({"kinds": [30571]})] == ["newer"]
        assert [one.content for one in session.fetch({"kinds": [NOTE, 20_001]})] == ["kept"]
    with Session(ALICE, [relay.url]) as session:
        session.publish(5, "", [["a", f"30571:{ALICE.pubkey}:ada"]], ttl=60)
        assert session.fetch({"kinds": [30571]}) == []


def _signed(identity: Identity, kind: int, text: str, tags: list[list[str]], age: int) -> str:
    import nostr_sdk

    made = nostr_sdk.EventBuilder(nostr_sdk.Kind(kind), text).tags([nostr_sdk.Tag.parse(tag) for tag in tags])
    made = made.custom_created_at(nostr_sdk.Timestamp.from_secs(int(time.time()) - age))
    return str(made.finalize(identity._keys).as_json())


def test_relay_that_is_closed_lets_nobody_wait(relay: EmbeddedRelay) -> None:
    with Session(ALICE, [relay.url], timeout=0.5) as session:
        relay.close()
        relay.close()
        with pytest.raises(Unavailable):
            session.publish(NOTE, "hello", ttl=60)
