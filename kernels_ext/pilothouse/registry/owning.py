"""Whose a record is, and writing it: its supervisor's while it has one, else of whoever finds that it has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from pilothouse.errors import Conflict, NotFound
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord
from pilothouse.registry.store import Records, Unreadable

P = TypeVar("P", PilotRecord, RunRecord)


class Superseded(Conflict):
    """The pilot has another supervisor, which has its runs too, or the record is not there any more."""


def check_owner(record: PilotRecord | RunRecord) -> None:
    """See to it that `record` is still its supervisor's to write.

    Raises
    ------
    Superseded
        Another supervisor has the pilot, or goes on with the run, or it was removed.
    """
    latest = PILOTS.find(record.name) if isinstance(record, PilotRecord) else RUNS.find(record.name)
    if isinstance(latest, Unreadable):  # whatever did that, the supervisor knows better
        return
    if latest is None or latest.created != record.created:
        raise Superseded(f"the {_kind(record)} {record.name!r} was removed", field=_kind(record))
    if _turn(latest) > _turn(record):
        raise Superseded(f"the {_kind(record)} {record.name!r} has another supervisor", field=_kind(record))


def write(record: PilotRecord | RunRecord) -> None:
    """Write the record for its supervisor; raises as :func:`check_owner`, and :class:`OSError`."""
    check_owner(record)
    if isinstance(record, PilotRecord):
        PILOTS.write(record)
    else:
        RUNS.write(record)


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


def check_same(record: P, created: datetime) -> P:
    """`record`, if it is that of the thing made at `created`: its name may be a later one's by now.

    Raises
    ------
    NotFound
        It is another one.
    """
    if record.created != created:
        raise NotFound(
            f"the {_kind(record)} {record.name!r} of {created:%Y-%m-%d %H:%M:%S} UTC was removed; a later one has its "
            f"name: ph.attach({record.name!r}) finds that",
            field="name",
        )
    return record


def _kind(record: PilotRecord | RunRecord) -> str:
    return "pilot" if isinstance(record, PilotRecord) else "run"


def _turn(record: PilotRecord | RunRecord) -> int:
    """How many supervisors have had it."""
    return record.generation if isinstance(record, PilotRecord) else record.resumed
