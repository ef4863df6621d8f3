"""Whose a record is, and writing it: its supervisor's while it has one, else of whoever finds that it has none."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.errors import Conflict
from pilothouse.registry.naming import P, check_same
from pilothouse.registry.records import PILOTS, PilotRecord
from pilothouse.state import Records, Unreadable


class Superseded(Conflict):
    """The pilot has another supervisor, or is not there any more."""


def check_owner(record: PilotRecord) -> None:
    """See to it that `record` is still its supervisor's to write.

    Raises
    ------
    Superseded
        Another supervisor has the pilot, or it was removed.
    """
    latest = PILOTS.find(record.name)
    if isinstance(latest, Unreadable):  # whatever did that, the supervisor knows better
        return
    if latest is None or latest.created != record.created:
        raise Superseded(f"the pilot {record.name!r} was removed", field="pilot")
    if latest.generation > record.generation:
        raise Superseded(f"the pilot {record.name!r} has another supervisor", field="pilot")


def write(record: PilotRecord) -> None:
    """Write the record for its supervisor; raises as :func:`check_owner`, and :class:`OSError`."""
    check_owner(record)
    PILOTS.write(record)


def change(records: Records[P], record: P, how: Callable[[P], bool | None]) -> P:
    """Change what is written of a pilot or run that nobody drives.

    Parameters
    ----------
    how
        Gets it as it is now; False leaves it as it is.

    Raises
    ------
    NotFound
        It was removed.
    """
    latest = check_same(records.read(record.name), record.created)
    if how(latest) is not False:
        records.write(latest)
    return latest
