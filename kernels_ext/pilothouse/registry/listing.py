"""Lists of handles: the latest first, and with them the records that can't be read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from pilothouse.errors import NotFound
from pilothouse.registry.records import PilotRecord, RunRecord
from pilothouse.registry.store import Unreadable

H = TypeVar("H")


class Handles(list[H]):
    """A list of handles.

    Attributes
    ----------
    unreadable
        The records that can't be read, with path and reason. They are shown, never deleted.
    """

    def __init__(self, handles: Iterable[H], unreadable: Iterable[Unreadable] = ()) -> None:
        super().__init__(handles)
        self.unreadable = list(unreadable)

    def __repr__(self) -> str:
        shown = [repr(handle) for handle in self]
        shown += [f"<unreadable {each.path}: {each.reason}>" for each in self.unreadable]
        return f"[{', '.join(shown)}]"


def listed(records: Iterable[PilotRecord | RunRecord | Unreadable], handle: Callable[[str], H]) -> Handles[H]:
    """A handle for each of `records`, the latest first."""
    found, unreadable = [], []
    for record in records:
        if isinstance(record, Unreadable):
            unreadable.append(record)
        else:
            found.append(record)
    handles = []
    for record in sorted(found, key=lambda record: record.created, reverse=True):
        with contextlib.suppress(NotFound):  # another process made room a moment ago
            handles.append(handle(record.name))
    return Handles(handles, unreadable)
