"""Nostr: the one door to nostr_sdk. Keys, and sessions with relays.

All network objects of nostr_sdk live on one background thread with its own asyncio loop, so a busy cell
does not hold up delivery. Everything that crosses the door is plain Python: :class:`Message`, strings and
bytes. No Python callback is given to the library: an exception in one would end the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import nostr_sdk

from pilothouse.errors import InvalidInput, PilothouseError, Refused, Unavailable, Untrusted
from pilothouse.market.messages.message import MAX_PRIVATE, MAX_PUBLIC, Message, check_size
from pilothouse.market.nostr.loop_thread import LoopThread, settled

log = logging.getLogger(__name__)

#: NIP-59: a sealed and wrapped private message.
GIFT_WRAP = 1059
#: Stored events that a relay is asked for at a time; some give no more.
PAGE = 500
#: Seconds for relays that answered a request to be heard.
ANSWER_S = 1.0
#: How a relay begins that wants a key to be proved first (NIP-42).
_UNPROVEN = "auth-required"


def _register_loop() -> None:
    """The authenticator calls back through this loop; the setting is global to the process."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())


_thread = LoopThread("pilothouse-nostr", _register_loop)


class Identity:
    """A key pair whose secret stays in a file of mode 0600 and in this process's memory.

    Neither ``repr`` nor pickling gives the secret away.
    """

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self.pubkey: str = keys.public_key().to_hex()

    @staticmethod
    def generate() -> Identity:
        """A new key pair that is written nowhere."""
        return Identity(nostr_sdk.Keys.generate())

    @staticmethod
    def load(path: Path) -> Identity:
        """The identity in the file at `path`, made and written there (mode 0600) when there is none.

        Raises
        ------
        PilothouseError
            The file holds no key, or others may read it.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = nostr_sdk.Keys.generate()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        if not path.exists():
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(keys.secret_key().to_bech32() + "\n")
                os.link(temporary, path)  # for one process only; the others read its key
            except FileExistsError:
                pass
            finally:
                temporary.unlink(missing_ok=True)
        return Identity.read(path)

    @staticmethod
    def read(path: Path) -> Identity:
        """The identity in the file at `path`, which is there.

        Raises
        ------
        PilothouseError
            The file holds no key, or others may read it.
        """
        if path.stat().st_mode & 0o077:
            raise PilothouseError(f"the key file {path} can be read by others: chmod 600 it", field="key")
        try:
            return Identity(nostr_sdk.Keys.parse(path.read_text().strip()))
        except nostr_sdk.NostrSdkError:
            raise PilothouseError(f"the key file {path} holds no Nostr secret key", field="key") from None

    @property
    def npub(self) -> str:
        """The public key in its readable form (NIP-19)."""
        return str(self._keys.public_key().to_bech32())

    def sign(self, kind: int, content: str, tags: Iterable[Sequence[str]] = ()) -> str:
        """A signed event as JSON, published nowhere."""
        return str(self.event(kind, content, tags).as_json())

    def event(self, kind: int, content: str, tags: Iterable[Sequence[str]]) -> Any:
        """A signed event as the library has it."""
        return nostr_sdk.EventBuilder(nostr_sdk.Kind(kind), content).tags(_tags(tags)).finalize(self._keys)

    def __repr__(self) -> str:
        return f"Identity({self.npub})"

    def __reduce__(self) -> Any:
        raise TypeError("an Identity holds a secret key and is not pickled: pass the path of its file")


def public_key(text: str) -> str:
    """The public key (hex) that `text` writes as hex or as ``npub1…`` (NIP-19).

    Raises
    ------
    InvalidInput
        It is none. A secret key is not shown in the error.
    """
    try:
        return str(nostr_sdk.PublicKey.parse(text.strip()).to_hex())
    except nostr_sdk.NostrSdkError:
        shown = "a secret key" if text.strip().startswith("nsec1") else repr(text[:80])
        raise InvalidInput(f"key={shown} is no public key: give an npub1…, or its 64 hex digits", field="key") from None


def npub(pubkey: str) -> str:
    """The public key (hex) in its readable form (NIP-19)."""
    return str(nostr_sdk.PublicKey.parse(pubkey).to_bech32())


def verify(text: str) -> Message:
    """The event in the JSON `text`.

    Raises
    ------
    Untrusted
        It is no event, or its id or signature is wrong.
    """
    try:
        event = nostr_sdk.Event.from_json(text)
    except nostr_sdk.NostrSdkError:
        raise Untrusted("this is not a Nostr event", field="event") from None
    return _message(event)


def _message(event: Any) -> Message:
    if not event.verify_id():
        raise Untrusted(f"event {event.id().to_hex()[:16]}… does not have the content that its id names", field="id")
    if not event.verify_signature():
        raise Untrusted(f"event {event.id().to_hex()[:16]}… has a wrong signature", field="sig")
    return _plain(event, event.id().to_hex(), private=False)


def _plain(event: Any, identity: str, *, private: bool) -> Message:
    return Message(
        id=identity,
        author=str(event.author().to_hex()),
        kind=int(event.kind().as_u16()),
        content=str(event.content()),
        tags=tuple(tuple(tag.to_vec()) for tag in event.tags()),
        created_at=int(event.created_at().as_secs()),
        private=private,
    )


def _tags(tags: Iterable[Sequence[str]]) -> list[Any]:
    return [nostr_sdk.Tag.parse(list(tag)) for tag in tags]


def _expiration(seconds: float) -> list[str]:
    return ["expiration", str(int(time.time() + seconds))]


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
        self._timeout = timedelta(seconds=timeout)
        self._urls = [_relay_url(url) for url in relays]
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._client: Any = None
        self._pump: asyncio.Task[None] | None = None
        _thread.wait(self._connect(), 3 * timeout + 5)
        _thread.owned.add(self)

    async def _connect(self) -> None:
        authenticator = nostr_sdk.SignerAuthenticator(self.identity._keys)  # noqa: SLF001 - the secret stays in this file
        self._client = nostr_sdk.ClientBuilder().authenticator(authenticator).build()
        for url in self._urls:
            await self._client.add_relay(url)
        stream = self._client.notifications()
        outcome = await self._client.try_connect(self._timeout)
        if not outcome.success:
            await self._client.shutdown()
            raise Unavailable(f"no relay can be reached: {_reasons(outcome.failed)}", field="relays")
        # A first request makes the relay ask for authentication, which a subscription alone may not survive.
        await self._client.fetch_events(_target([{"kinds": [0], "limit": 1}]), self._timeout)
        refused = await _refusals(stream, len(outcome.success))
        if len(refused) == len(outcome.success):
            await self._client.shutdown()
            npub = self.identity.npub
            raise Refused(
                f"no relay lets the key {npub} in: {_reasons(refused)}; whose lab market it is can let it in by "
                f"market.admit({npub!r})",
                field="relays",
            )

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
        _thread.wait(self._send(event), 30)
        return _message(event)

    def send(self, receiver: str, kind: int, content: str, *, ttl: float) -> None:
        """Send a private message (NIP-59 gift wrap) to the public key `receiver` (hex); see :meth:`publish`."""
        settled(self.send_soon(receiver, kind, content, ttl=ttl))

    def send_soon(self, receiver: str, kind: int, content: str, *, ttl: float) -> Future[None]:
        """:meth:`send` without waiting: the future ends when a relay has it (``asyncio.wrap_future`` awaits it)."""
        check_size(content, MAX_PRIVATE)
        return _thread.start(self._wrap_and_send(receiver, kind, content, ttl))

    async def _wrap_and_send(self, receiver: str, kind: int, content: str, ttl: float) -> None:
        keys = self.identity._keys  # noqa: SLF001 - the secret stays in this file
        rumor = nostr_sdk.EventBuilder(nostr_sdk.Kind(kind), content).finalize_unsigned(keys.public_key())
        # The library's own expiration counts from the wrap's date, which NIP-59 moves up to two days back.
        wrap = await nostr_sdk.nip59_make_gift_wrap_async(
            keys, nostr_sdk.PublicKey.parse(receiver), rumor, extra_tags=_tags([_expiration(ttl)])
        )
        await self._send(wrap)

    async def _send(self, event: Any) -> None:
        try:
            outcome = await self._client.send_event(event, ok_timeout=self._timeout)
        except nostr_sdk.NostrSdkError as error:
            raise Unavailable(f"the relays {', '.join(self.relays)} could not be written to: {error}") from None
        if not outcome.success:
            raise Unavailable(f"no relay took the event: {_reasons(outcome.failed)}", field="relays")

    def fetch(self, *filters: dict[str, Any]) -> list[Message]:
        """The stored events that match one of `filters` (NIP-01 JSON, with ``kinds``), newest first, verified."""
        return _thread.wait(self._fetch(list(filters)), 30)

    async def _stored(self, filters: list[dict[str, Any]]) -> list[Any]:
        try:
            return list(await self._client.fetch_events(_target(filters), self._timeout))
        except nostr_sdk.NostrSdkError as error:
            raise Unavailable(f"the relays {', '.join(self.relays)} do not answer: {error}", field="relays") from None

    async def _fetch(self, filters: list[dict[str, Any]]) -> list[Message]:
        events = await self._stored(filters)
        found = [message for event in events if (message := await self._open(event)) and not message.expired]
        return sorted(found, key=lambda message: -message.created_at)

    def catch_up(self) -> None:
        """Have :meth:`receive` give all private messages to us that the relays still have, before it comes to others.

        A subscription alone gives as many of them as a relay answers with at once, in no order that tells new from old.
        """
        _thread.wait(self._catch_up(), 300)

    async def _catch_up(self) -> None:
        wanted: dict[str, Any] = {"kinds": [GIFT_WRAP], "#p": [self.identity.pubkey], "limit": PAGE}
        seen: set[str] = set()
        while True:
            page = {event.id().to_hex(): event for event in await self._stored([wanted])}
            if not page.keys() - seen:
                return
            for event in (page[name] for name in page.keys() - seen):
                message = await self._open(event)
                if message is not None and not message.expired:
                    self._inbox.put(message)
            seen |= page.keys()
            dates = sorted((int(event.created_at().as_secs()) for event in page.values()), reverse=True)
            wanted["until"] = dates[:PAGE][-1]  # down to here each of the relays has given what it has

    def listen(self, *filters: dict[str, Any]) -> None:
        """From now on, :meth:`receive` gives the events that match one of `filters`, and private messages to us.

        Stored events come first; what was published here or already fetched does not come again. Call it once.
        """
        mine = {"kinds": [GIFT_WRAP], "#p": [self.identity.pubkey]}
        _thread.wait(self._listen([mine, *filters]), 30)

    async def _listen(self, filters: list[dict[str, Any]]) -> None:
        stream = self._client.notifications()
        outcome = await self._client.subscribe(_target(filters))
        if not outcome.success:
            raise Unavailable(f"no relay took the subscription: {_reasons(outcome.failed)}", field="relays")
        self._pump = asyncio.get_running_loop().create_task(self._deliver(stream))

    async def _deliver(self, stream: Any) -> None:
        seen: dict[str, None] = {}
        while (note := await stream.next()) is not None and not note.is_shutdown():
            if not note.is_new_event():
                continue
            message = await self._open(note.event)
            if message is None or message.expired or message.id in seen:
                continue
            seen[message.id] = None
            if len(seen) > 10_000:
                del seen[next(iter(seen))]
            self._inbox.put(message)

    async def _open(self, event: Any) -> Message | None:
        """The event as a message; None when it is forged or not for us."""
        try:
            outer = _message(event)
            if outer.kind != GIFT_WRAP:
                return outer
            gift = await nostr_sdk.UnwrappedGift.from_gift_wrap_async(self.identity._keys, event)  # noqa: SLF001 - the secret stays in this file
            rumor = gift.rumor()
            if rumor.author().to_hex() != gift.sender().to_hex():
                raise Untrusted("a gift wrap names another author than the one who sealed it", field="pubkey")
            return _plain(rumor, rumor.ensure_id().id().to_hex(), private=True)
        except (Untrusted, nostr_sdk.NostrSdkError) as error:
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
        await self._client.shutdown()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def _refusals(stream: Any, number: int) -> dict[Any, str]:
    """Of the first answers of `number` relays those that let nobody like us read, with their reasons."""
    answers: dict[Any, str] = {}
    with contextlib.suppress(TimeoutError):  # one that says neither is not waited for
        async with asyncio.timeout(ANSWER_S):
            while len(answers) < number and (note := await stream.next()) is not None:
                if not note.is_message():
                    continue
                said = note.message.as_enum()
                if said.is_end_of_stored_events():
                    answers[str(note.relay_url)] = ""
                elif (said.is_ok() and not said.status) or (said.is_closed() and _UNPROVEN not in said.message):
                    answers[str(note.relay_url)] = said.message
    return {url: reason for url, reason in answers.items() if reason}


def _relay_url(url: str) -> Any:
    try:
        return nostr_sdk.RelayUrl.parse(url)
    except nostr_sdk.NostrSdkError:
        message = f"relays has {url!r}, which is no relay URL: write ws://… or wss://…"
        raise InvalidInput(message, field="relays") from None


def _target(filters: list[dict[str, Any]]) -> Any:
    return nostr_sdk.ReqTarget.auto([nostr_sdk.Filter.from_json(json.dumps(one)) for one in filters])


def _reasons(failed: dict[Any, str]) -> str:
    return "; ".join(f"{url}: {reason}" for url, reason in failed.items())
