"""The embedded relay: in memory, on a loopback port, for those alone whom it is told to admit.

nostr_sdk has a relay of its own, but there every key that authenticates (NIP-42) gets in, its read policies do not hear
whose request it is, and its write policies see the throw-away keys that sign gift wraps. This one asks each connection
for proof of a key, and each read, write and delivery whether that key is let in at this moment.

It keeps NIP-01, 09 (deletion), 40 (expiry), 42 and 70 (protected events). Gift wraps go to their receivers alone.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from pilothouse.errors import Untrusted
from pilothouse.market.blobs.tokens import HOSTS
from pilothouse.market.loopback import HOST, LoopbackServer
from pilothouse.market.messages.message import Message
from pilothouse.market.nostr.library import GIFT_WRAP, verify
from pilothouse.market.nostr.stored import EventStore, Filter, Stored, is_ephemeral

AUTHENTICATION = 22242
#: Seconds by which the date of an authentication may be off (NIP-42).
CLOCKS_S = 600
#: Bytes of an event, and of anything that a client sends, as usual on public relays.
MOST_EVENT = 65_536
MOST_FRAME = 2 * MOST_EVENT
#: What a connection may have at a time.
MOST_SUBSCRIPTIONS = 50
MOST_FILTERS = 20
MOST_KEYS = 10
#: Seconds between signs of life.
PING_S = 30.0

_UNPROVEN = "auth-required: prove a key first (NIP-42)"
_STRANGER = "restricted: this relay admits its user's own keys, and those that the user admitted"


class EmbeddedRelay(LoopbackServer):
    """A relay in a thread of this process; ``close()`` ends it, and its events are gone.

    Parameters
    ----------
    admits
        Whether the owner of a public key (hex) may read and write; called in the relay's thread, and often: what it
        says holds from the next read, write or delivery on.
    port
        Another one than a free one.

    Raises
    ------
    Unavailable
        The port is taken.
    """

    def __init__(self, admits: Callable[[str], bool], port: int = 0) -> None:
        self.admits = admits
        self.events = EventStore()
        self.connections: set[_Connection] = set()
        routes: list[Any] = [("/", _Connection, {"relay": self})]
        super().__init__("relay", routes, port, websocket_max_message_size=MOST_FRAME, websocket_ping_interval=PING_S)

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:PORT``."""
        return f"ws://{HOST}:{self.port}"

    def hang_up(self) -> None:
        """Close all connections."""
        for connection in list(self.connections):
            connection.close()


class _Connection(WebSocketHandler):
    """One client: the keys that it has proved, and its subscriptions."""

    def initialize(self, relay: EmbeddedRelay) -> None:
        self._relay = relay
        self._challenge = secrets.token_hex(16)
        self._keys: set[str] = set()
        self._subscriptions: dict[str, list[Filter]] = {}

    def open(self, *_: str) -> None:
        self._relay.connections.add(self)
        self.set_nodelay(True)
        self._say("AUTH", self._challenge)

    def on_close(self) -> None:
        self._relay.connections.discard(self)

    def on_message(self, text: str | bytes) -> None:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        match said:
            case ["AUTH", dict(event)]:
                self._authenticate(event)
            case ["EVENT", dict(event)]:
                self._take(event)
            case ["REQ", str(name), *filters]:
                self._subscribe(name, filters)
            case ["CLOSE", str(name)]:
                self._subscriptions.pop(name, None)
            case _:
                self._say("NOTICE", "invalid: this relay knows EVENT, REQ, CLOSE and AUTH")

    def offer(self, event: Stored) -> None:
        """Give a new event to those subscriptions that it is for."""
        if not self._subscriptions or not self._may_see(event):
            return
        if self._refusal():  # the user has dismissed it since
            for name in self._subscriptions:
                self._say("CLOSED", name, _STRANGER)
            self._subscriptions.clear()
            return
        for name, filters in self._subscriptions.items():
            if any(one.matches(event.message) for one in filters):
                self._give(name, event)

    # ------------------------------------------------------------------ what clients ask for

    def _authenticate(self, event: dict[str, Any]) -> None:
        try:
            proof, _ = _verified(event)
        except Untrusted as error:
            self._answer(event, f"invalid: {error}")
            return
        # A relay that this client also talks to must not pass our challenge on to it and answer in its name.
        where = urlsplit(proof.tag("relay") or "")
        is_here = where.hostname in HOSTS and _port(where.netloc) == self._relay.port
        is_fresh = abs(proof.created_at - time.time()) <= CLOCKS_S and proof.tag("challenge") == self._challenge
        if proof.kind != AUTHENTICATION or not is_here or not is_fresh:
            self._answer(event, "invalid: this does not answer this relay's challenge")
            return
        if len(self._keys) < MOST_KEYS:
            self._keys.add(proof.author)  # also a stranger's: it may be let in while it is connected
        self._answer(event, "" if self._relay.admits(proof.author) else _STRANGER)

    def _take(self, event: dict[str, Any]) -> None:
        if refusal := self._refusal():
            self._answer(event, refusal)
            return
        try:
            message, text = _verified(event)
        except Untrusted as error:
            self._answer(event, f"invalid: {error}")
            return
        if refusal := self._refusal_of(message):
            self._answer(event, refusal)
            return
        stored = Stored(message, text)
        reason = "" if is_ephemeral(message.kind) else self._relay.events.take(stored)
        self._answer(event, reason)
        if not reason:
            for connection in list(self._relay.connections):
                connection.offer(stored)

    def _refusal_of(self, message: Message) -> str:
        """Why this event is not taken from one who may write; empty when it is."""
        if message.expired:
            return "invalid: it has expired"
        if message.kind == AUTHENTICATION:
            return "invalid: an authentication is no event to publish"
        if message.kind != GIFT_WRAP and not self._relay.admits(message.author):
            return f"{_STRANGER}: not the author of this event"  # gift wraps are signed by throw-away keys
        if any(tag[:1] == ("-",) for tag in message.tags) and message.author not in self._keys:
            return "restricted: only its author may publish a protected event (NIP-70)"
        return ""

    def _subscribe(self, name: str, wanted: list[Any]) -> None:
        self._subscriptions.pop(name, None)
        refusal = self._refusal()
        if not refusal and len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            refusal = f"blocked: {MOST_SUBSCRIPTIONS} subscriptions at most"
        filters = []
        if not refusal:
            try:
                filters = [Filter.model_validate(one) for one in wanted[: MOST_FILTERS + 1]]
            except ValidationError as error:
                refusal = f"invalid: a filter has a bad {'.'.join(map(str, error.errors()[0]['loc']))}"
        if not refusal and not 1 <= len(filters) <= MOST_FILTERS:
            refusal = f"invalid: 1 to {MOST_FILTERS} filters"
        if refusal:
            self._say("CLOSED", name, refusal)
            return
        found: dict[str, Stored] = {}
        for one in filters:
            found.update({event.message.id: event for event in self._relay.events.find(one, self._may_see)})
        for event in found.values():
            self._give(name, event)
        self._say("EOSE", name)
        self._subscriptions[name] = filters

    # ------------------------------------------------------------------ who it is, and what it is told

    def _refusal(self) -> str:
        """Why this client may neither read nor write; empty when it may."""
        if any(map(self._relay.admits, self._keys)):
            return ""
        return _STRANGER if self._keys else _UNPROVEN

    def _may_see(self, event: Stored) -> bool:
        message = event.message
        return message.kind != GIFT_WRAP or not self._keys.isdisjoint(message.values("p"))

    def _answer(self, event: dict[str, Any], reason: str) -> None:
        self._say("OK", str(event.get("id", "")), not reason or reason.startswith("duplicate:"), reason)

    def _give(self, name: str, event: Stored) -> None:
        self._write(f'["EVENT",{json.dumps(name)},{event.text}]')

    def _say(self, *words: Any) -> None:
        self._write(json.dumps(words))

    def _write(self, text: str) -> None:
        try:
            self.write_message(text)
        except WebSocketClosedError:  # it has gone while it was answered
            self._relay.connections.discard(self)


def _verified(event: dict[str, Any]) -> tuple[Message, str]:
    """The event, and as it is passed on; :class:`Untrusted` when it is none, or too large."""
    try:
        text = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        size = len(text.encode())
    except (UnicodeEncodeError, RecursionError):
        raise Untrusted("this is not a Nostr event", field="event") from None
    if size > MOST_EVENT:
        raise Untrusted(f"an event has {MOST_EVENT} bytes at most", field="event")
    return verify(text), text


def _port(netloc: str) -> int:
    _, _, port = netloc.rpartition(":")
    return int(port) if port.isdecimal() and len(port) < 6 else 0
