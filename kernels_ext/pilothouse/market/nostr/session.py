"""Sessions with relays: publish, send privately, fetch, listen.

All network objects of nostr_sdk live on one background thread with its own asyncio loop, so a busy cell
does not hold up delivery.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from pilothouse.errors import InvalidInput, Untrusted
from pilothouse.market.messages.message import MAX_PRIVATE, MAX_PUBLIC, Message, check_size
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import GIFT_WRAP, message_of, next_event, register_loop
from pilothouse.market.nostr.loop_thread import LoopThread, settled

log = logging.getLogger(__name__)

#: Stored events that a relay is asked for at a time; some give no more.
PAGE = 500

_thread = LoopThread("pilothouse-nostr", register_loop)


class Session:
    """An identity's connection to relays: publish, send privately, fetch, listen.

    Parameters
    ----------
    identity
        Whose key signs, and whose gift wraps are opened.
    relays
        URLs, ``ws://…`` or ``wss://…``.
    timeout
        Seconds for a relay to answer.

    Raises
    ------
    InvalidInput
        A URL is none.
    Unavailable
        None of the relays can be reached; the message names each and why.
    Refused
        Those that can be reached do not let this identity in.
    """

    def __init__(self, identity: Identity, relays: Sequence[str], *, timeout: float = 4.0) -> None:
        if not relays:
            raise InvalidInput("relays=[] is empty: name one relay at least, as ws://… or wss://…", field="relays")
        self.identity = identity
        self.relays = list(relays)
        self._connection = identity.connection(relays, timeout)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._pump: asyncio.Task[None] | None = None
        _thread.wait(self._connection.connect(), 3 * timeout + 5)
        _thread.owned.add(self)

    def publish(self, kind: int, content: str, tags: Iterable[Sequence[str]] = (), *, ttl: float) -> Message:
        """Sign and publish an event that expires after `ttl` seconds (NIP-40).

        Raises
        ------
        InvalidInput
            The content is larger than relays take.
        Unavailable
            No relay took it; the message has their reasons.
        """
        check_size(content, MAX_PUBLIC)
        event = self.identity.event(kind, content, [*tags, _expiration(ttl)])
        _thread.wait(self._connection.send(event), 30)
        return message_of(event)

    def send(self, receiver: str, kind: int, content: str, *, ttl: float) -> None:
        """Send a private message (NIP-59 gift wrap) to the public key `receiver` (hex); see :meth:`publish`."""
        settled(self.send_soon(receiver, kind, content, ttl=ttl))

    def send_soon(self, receiver: str, kind: int, content: str, *, ttl: float) -> Future[None]:
        """:meth:`send` without waiting: the future ends when a relay has it (``asyncio.wrap_future`` awaits it)."""
        check_size(content, MAX_PRIVATE)
        return _thread.start(self._wrap_and_send(receiver, kind, content, ttl))

    async def _wrap_and_send(self, receiver: str, kind: int, content: str, ttl: float) -> None:
        # The library's own expiration counts from the wrap's date, which NIP-59 moves up to two days back.
        wrap = await self.identity.wrap(receiver, kind, content, [_expiration(ttl)])
        await self._connection.send(wrap)

    def fetch(self, *filters: dict[str, Any]) -> list[Message]:
        """The stored events that match one of `filters` (NIP-01 JSON, with ``kinds``), newest first, verified."""
        return _thread.wait(self._fetch(list(filters)), 30)

    async def _fetch(self, filters: list[dict[str, Any]]) -> list[Message]:
        events = await self._connection.stored(filters)
        found = [message for event in events if (message := await self._open(event)) and not message.expired]
        return sorted(found, key=lambda message: -message.created_at)

    def listen(self, *filters: dict[str, Any], catch_up: bool = False) -> None:
        """From now on, :meth:`receive` gives the events that match one of `filters`, and private messages to us.

        Stored events come first; what was published here or already fetched does not come again. Call it once.

        Parameters
        ----------
        catch_up
            Have all private messages to us that the relays still have, before anything else comes to others. Without
            it they give as many of them as they answer with at once, in no order that tells new from old.
        """
        _thread.wait(self._listen(list(filters), catch_up), 330 if catch_up else 30)

    async def _listen(self, filters: list[dict[str, Any]], catch_up: bool) -> None:
        # What comes is heard before anything is asked for: the library gives an event once, and one that arrives
        # between the last stored event and the end of that request would be known, and given to nobody.
        seen: dict[str, None] = {}
        self._pump = asyncio.get_running_loop().create_task(self._deliver(self._connection.heard(), seen))
        mine = {"kinds": [GIFT_WRAP], "#p": [self.identity.pubkey]}
        if catch_up:
            await self._connection.subscribe([mine])
            await self._catch_up(seen)
            if filters:
                await self._connection.subscribe(filters)
        else:
            await self._connection.subscribe([mine, *filters])

    async def _catch_up(self, seen: dict[str, None]) -> None:
        wanted: dict[str, Any] = {"kinds": [GIFT_WRAP], "#p": [self.identity.pubkey], "limit": PAGE}
        known: set[str] = set()
        while True:
            page = {event.id().to_hex(): event for event in await self._connection.stored([wanted])}
            if not page.keys() - known:
                return
            for event in (page[name] for name in page.keys() - known):
                self._put(await self._open(event), seen)
            known |= page.keys()
            dates = sorted((int(event.created_at().as_secs()) for event in page.values()), reverse=True)
            wanted["until"] = dates[:PAGE][-1]  # down to here each of the relays has given what it has

    async def _deliver(self, stream: Any, seen: dict[str, None]) -> None:
        while (event := await next_event(stream)) is not None:
            self._put(await self._open(event), seen)

    def _put(self, message: Message | None, seen: dict[str, None]) -> None:
        """Have :meth:`receive` give a message, once."""
        if message is None or message.expired or message.id in seen:
            return
        seen[message.id] = None
        if len(seen) > 10_000:
            del seen[next(iter(seen))]
        self._inbox.put(message)

    async def _open(self, event: Any) -> Message | None:
        """The event as a message; None when it is forged or not for us."""
        try:
            return await self.identity.open(event)
        except Untrusted as error:
            log.warning("left out an event: %s", error)
            return None

    def receive(self, timeout: float) -> Message | None:
        """The next message, or None after `timeout` seconds."""
        try:
            return self._inbox.get(timeout=timeout) if timeout > 0 else self._inbox.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """Disconnect. Closing twice is no error."""
        _thread.owned.discard(self)
        _thread.wait(self._close(), 10)

    async def _close(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        await self._connection.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _expiration(seconds: float) -> list[str]:
    return ["expiration", str(int(time.time() + seconds))]
