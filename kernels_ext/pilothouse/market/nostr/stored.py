"""What the embedded relay has: events in memory, found by filters (NIP-01), until they expire or are deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from pilothouse.market.messages.message import Message

DELETION = 5
#: Events that one filter gives at most.
MOST_FOUND = 500
#: Bytes of all events together.
QUOTA = 256 * 2**20
#: Seconds between looks for what has expired.
LOOK_S = 10.0


@dataclass(frozen=True)
class Stored:
    """An event, verified, and as it came."""

    message: Message
    text: str


class Filter(BaseModel):
    """What a client asks for: the events that have one of each list."""

    model_config = ConfigDict(extra="allow", frozen=True)
    ids: frozenset[StrictStr] | None = None
    authors: frozenset[StrictStr] | None = None
    kinds: frozenset[StrictInt] | None = None
    since: StrictInt | None = None
    until: StrictInt | None = None
    limit: Annotated[StrictInt, Field(ge=0)] = MOST_FOUND

    @cached_property
    def tags(self) -> dict[str, frozenset[str]]:
        """Letter -> values, of which an event must have one."""
        return {
            name[1:]: frozenset(map(str, values)) if isinstance(values, list) else frozenset()
            for name, values in (self.model_extra or {}).items()
            if name.startswith("#")
        }

    def matches(self, message: Message) -> bool:
        """Whether the event is asked for."""
        return (
            (self.kinds is None or message.kind in self.kinds)
            and (self.authors is None or message.author in self.authors)
            and (self.ids is None or message.id in self.ids)
            and (self.since is None or message.created_at >= self.since)
            and (self.until is None or message.created_at <= self.until)
            and all(not values.isdisjoint(message.values(name)) for name, values in self.tags.items())
        )


class EventStore:
    """Events by kind and id; of a replaceable one the newest alone."""

    def __init__(self) -> None:
        self._kinds: dict[int, dict[str, Stored]] = {}
        self._latest: dict[str, Stored] = {}  # by address
        self._bytes = 0
        self._looked = time.monotonic()

    def take(self, event: Stored) -> str:
        """Keep `event`; why it is not kept, as NIP-01 words it, empty when it is."""
        self._look()
        message = event.message
        if message.id in self._kinds.get(message.kind, {}):
            return "duplicate: it is here"
        if self._is_deleted(message):
            return "blocked: its author has deleted it"
        if self._bytes + len(event.text) > QUOTA:
            return "error: this relay is full"
        where = address(message)
        if where is not None:
            older = self._latest.get(where)
            if older is not None:
                if _age(older) < _age(event):
                    return "duplicate: there is a newer one"
                self._drop(older)
            self._latest[where] = event
        if message.kind == DELETION:
            for one in [one for kind in self._kinds.values() for one in kind.values()]:
                if _deletes(message, one.message):
                    self._drop(one)
        self._kinds.setdefault(message.kind, {})[message.id] = event
        self._bytes += len(event.text)
        return ""

    def find(self, wanted: Filter, may_see: Callable[[Stored], bool]) -> list[Stored]:
        """The events that match and may be seen, newest first, as many as the filter and :data:`MOST_FOUND` allow."""
        kinds = self._kinds if wanted.kinds is None else wanted.kinds & self._kinds.keys()
        found = [
            event
            for kind in kinds
            for event in self._kinds[kind].values()
            if wanted.matches(event.message) and not event.message.expired and may_see(event)
        ]
        return sorted(found, key=_age)[: min(wanted.limit, MOST_FOUND)]

    def _is_deleted(self, message: Message) -> bool:
        return any(_deletes(one.message, message) for one in self._kinds.get(DELETION, {}).values())

    def _drop(self, event: Stored) -> None:
        message = event.message
        del self._kinds[message.kind][message.id]
        self._bytes -= len(event.text)
        where = address(message)
        if where is not None and self._latest.get(where) is event:
            del self._latest[where]

    def _look(self) -> None:
        """Drop what has expired, now and then."""
        if time.monotonic() < self._looked + LOOK_S:
            return
        self._looked = time.monotonic()
        for one in [one for kind in self._kinds.values() for one in kind.values() if one.message.expired]:
            self._drop(one)


def is_ephemeral(kind: int) -> bool:
    """Whether such events are passed on and not kept (NIP-01)."""
    return 20_000 <= kind < 30_000


def address(message: Message) -> str | None:
    """``kind:author:d`` of a replaceable or addressable event (NIP-01); None for others."""
    if message.kind in {0, 3} or 10_000 <= message.kind < 20_000:
        return f"{message.kind}:{message.author}:"
    if 30_000 <= message.kind < 40_000:
        return f"{message.kind}:{message.author}:{message.tag('d') or ''}"
    return None


def _age(event: Stored) -> tuple[int, str]:
    """Sorts the newest first; of two of one second the lower id, as NIP-01 has it."""
    return -event.message.created_at, event.message.id


def _deletes(deletion: Message, message: Message) -> bool:
    """Whether `deletion` asks to drop `message` (NIP-09): its author's alone, and no deletion."""
    if deletion.author != message.author or message.kind == DELETION:
        return False
    where = address(message)
    is_older = message.created_at <= deletion.created_at
    return message.id in deletion.values("e") or (where is not None and is_older and where in deletion.values("a"))
