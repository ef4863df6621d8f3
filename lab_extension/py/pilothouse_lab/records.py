"""Records as the browser gets them: JSON, with those that can't be read shown as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.registry.store import R, Record, Records, Unreadable
    from pilothouse.runs.handle import Run

#: The state in which a record that can't be read is listed.
UNREADABLE = "unreadable"


def as_json(record: Record | Unreadable) -> dict[str, Any]:
    """`record` as JSON. One that can't be read has only ``name``, ``state`` ("unreadable"), ``reason``, ``path``."""
    from pilothouse.registry.store import Unreadable

    if isinstance(record, Unreadable):
        return {"name": record.name, "state": UNREADABLE, "reason": record.reason, "path": str(record.path)}
    return record.model_dump(mode="json")


def removed(find: Callable[[str], Pilot | Run], name: str, which: dict[str, Any]) -> dict[str, Any]:
    """Remove what `find` gives for `name`; its record as it last was.

    Parameters
    ----------
    which
        With ``created``, only if it is the one that was made then: its name may be a later one's by now.
    """
    from pilothouse.errors import Conflict

    handle = find(name)
    record = as_json(handle.record)
    if which.get("created", record["created"]) != record["created"]:
        raise Conflict(f"name={name!r}: a later one has that name, made at {record['created']}", field="created")
    handle.remove()
    return record


def listed(records: Records[R], reconcile: Callable[[R], R]) -> dict[str, Any]:
    """All of `records`, each as `reconcile` finds it to be, the youngest first."""
    from pilothouse.registry.store import Unreadable

    items = [as_json(record if isinstance(record, Unreadable) else reconcile(record)) for record in records]
    items.sort(key=lambda item: str(item.get("created", "")), reverse=True)
    return {"items": items}
