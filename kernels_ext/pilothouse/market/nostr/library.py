"""The one door to nostr_sdk: key pairs, events, gift wraps, and connections to relays.

What comes out are messages, strings, and keys and events as the library has them. No Python callback is given to the
library: an exception in one would end the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import nostr_sdk

from pilothouse.errors import InvalidInput, Refused, Unavailable, Untrusted
from pilothouse.market.messages.message import Message

#: NIP-59: a sealed and wrapped private message.
GIFT_WRAP = 1059
#: Seconds for relays that answered a request to be heard.
ANSWER_S = 1.0
#: Seconds until a relay that was lost is tried again; more after each try in vain (the library's own: 10).
RETRY_S = 2.0
#: How a relay begins that wants a key to be proved first (NIP-42).
_UNPROVEN = "auth-required"


def register_loop() -> None:
    """The authenticator calls back through this loop; the setting is global to the process."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())


def new_keys() -> Any:
    """A new key pair."""
    return nostr_sdk.Keys.generate()


def parsed_keys(text: str) -> Any:
    """The key pair of the secret key that `text` writes; None when it is none."""
    try:
        return nostr_sdk.Keys.parse(text)
    except nostr_sdk.NostrSdkError:
        return None


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
    return message_of(event)


def signed(keys: Any, kind: int, content: str, tags: Iterable[Sequence[str]]) -> Any:
    """A signed event as the library has it."""
    return nostr_sdk.EventBuilder(nostr_sdk.Kind(kind), content).tags(_tags(tags)).finalize(keys)


async def wrapped(keys: Any, receiver: str, kind: int, content: str, tags: Iterable[Sequence[str]]) -> Any:
    """A private message to the public key `receiver` (hex), as a gift wrap (NIP-59) that has `tags`."""
    rumor = nostr_sdk.EventBuilder(nostr_sdk.Kind(kind), content).finalize_unsigned(keys.public_key())
    return await nostr_sdk.nip59_make_gift_wrap_async(
        keys, nostr_sdk.PublicKey.parse(receiver), rumor, extra_tags=_tags(tags)
    )


async def opened(keys: Any, event: Any) -> Message:
    """The library's `event` as a message, taken out of its gift wrap when it is in one.

    Raises
    ------
    Untrusted
        It is forged, or not for these keys.
    """
    try:
        outer = message_of(event)
        if outer.kind != GIFT_WRAP:
            return outer
        gift = await nostr_sdk.UnwrappedGift.from_gift_wrap_async(keys, event)
        rumor = gift.rumor()
        if rumor.author().to_hex() != gift.sender().to_hex():
            raise Untrusted("a gift wrap names another author than the one who sealed it", field="pubkey")
        return _plain(rumor, rumor.ensure_id().id().to_hex(), private=True)
    except nostr_sdk.NostrSdkError as error:
        raise Untrusted(str(error)) from None


def message_of(event: Any) -> Message:
    """The library's `event` as a message; :class:`Untrusted` when its id or signature is wrong."""
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


class Connection:
    """The library's client of relays.

    Parameters
    ----------
    keys
        What relays are shown that ask for a key (NIP-42).
    relays
        URLs, ``ws://…`` or ``wss://…``.
    timeout
        Seconds for a relay to answer.

    Raises
    ------
    InvalidInput
        A URL is none.
    """

    def __init__(self, keys: Any, relays: Sequence[str], timeout: float) -> None:
        self._keys = keys
        self._relays = list(relays)
        self._timeout = timedelta(seconds=timeout)
        self._urls = [_relay_url(url) for url in relays]
        self._client: Any = None

    async def connect(self) -> None:
        """Connect to all that can be reached.

        Raises
        ------
        Unavailable
            There is none.
        Refused
            Those that can be reached do not let these keys in.
        """
        authenticator = nostr_sdk.SignerAuthenticator(self._keys)
        self._client = nostr_sdk.ClientBuilder().authenticator(authenticator).build()
        options = nostr_sdk.RelayOptions().retry_interval(timedelta(seconds=RETRY_S))
        for url in self._urls:
            await self._client.add_relay(url, opts=options)
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
            npub = self._keys.public_key().to_bech32()
            raise Refused(
                f"no relay lets the key {npub} in: {_reasons(refused)}; whose lab market it is can let it in by "
                f"market.admit({npub!r})",
                field="relays",
            )

    async def send(self, event: Any) -> None:
        """Publish an event; :class:`Unavailable` when no relay took it."""
        try:
            outcome = await self._client.send_event(event, ok_timeout=self._timeout)
        except nostr_sdk.NostrSdkError as error:
            raise Unavailable(f"the relays {', '.join(self._relays)} could not be written to: {error}") from None
        if not outcome.success:
            raise Unavailable(f"no relay took the event: {_reasons(outcome.failed)}", field="relays")

    async def stored(self, filters: list[dict[str, Any]]) -> list[Any]:
        """The events of the relays that match one of `filters` (NIP-01 JSON); :class:`Unavailable` without answer."""
        try:
            return list(await self._client.fetch_events(_target(filters), self._timeout))
        except nostr_sdk.NostrSdkError as error:
            raise Unavailable(f"the relays {', '.join(self._relays)} do not answer: {error}", field="relays") from None

    def heard(self) -> Any:
        """What :func:`next_event` gives the events of that come from now on, whoever here asked for them."""
        return self._client.notifications()

    async def subscribe(self, filters: list[dict[str, Any]]) -> None:
        """Have the relays send the events that match one of `filters`, from now on, see :meth:`heard`.

        Raises
        ------
        Unavailable
            No relay took the subscription.
        """
        outcome = await self._client.subscribe(_target(filters))
        if not outcome.success:
            raise Unavailable(f"no relay took the subscription: {_reasons(outcome.failed)}", field="relays")

    async def close(self) -> None:
        """Disconnect."""
        await self._client.shutdown()


async def next_event(stream: Any) -> Any:
    """The next event of a subscription that was not known here; None when the connection is closed."""
    while (note := await stream.next()) is not None and not note.is_shutdown():
        if note.is_new_event():
            return note.event
    return None


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
