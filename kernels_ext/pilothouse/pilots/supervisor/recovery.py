"""Go on with a pilot whose supervisor has died."""

from __future__ import annotations

import contextlib

from pilothouse.errors import Conflict
from pilothouse.installed import entry_points
from pilothouse.pilots.supervisor.launching import launch_here
from pilothouse.registry.folders import EVENTS
from pilothouse.registry.journal import Journal
from pilothouse.registry.liveness import deciding, may_be_recovered, reconcile, seen
from pilothouse.registry.owning import change
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord, State, runs_on
from pilothouse.state import utcnow, writing


def recover(name: str) -> None:
    """Start a new supervisor for the lost pilot `name`.

    Raises
    ------
    Conflict
        It is not lost, its lease is over, or another process is recovering it.
    """
    record = reconcile(PILOTS.read(name))
    if record.state is not State.LOST:
        raise Conflict(f"the pilot {name!r} is {record.state}: only a lost one can be recovered", field="pilot")
    if not may_be_recovered(record):
        raise Conflict(f"the lease of pilot {name!r} is over: submit a new one", field="pilot")
    with writing(PILOTS.path(name)), deciding(record) as mine:
        if not mine:
            raise Conflict(f"another process is recovering the pilot {name!r}", field="pilot")
        Journal(PILOTS.folder(name) / EVENTS).add("recovering", generation=record.generation + 1)
        change(PILOTS, record, _begin)
    for run in runs_on(record):
        if run.state is State.LOST and is_resumable(run.kind):
            with contextlib.suppress(OSError):  # it is only what is said until the supervisor is there
                change(RUNS, run, _await)
    launch_here(name)


def _begin(pilot: PilotRecord) -> None:
    pilot.generation += 1
    pilot.state, pilot.reason = State.STARTING, "a new supervisor is starting"
    pilot.supervisor, pilot.ended, pilot.begun = None, None, utcnow()


def _await(run: RunRecord) -> None:
    run.state, run.reason, run.ended = State.STARTING, "its pilot's new supervisor is starting", None


def may_return(run: RunRecord) -> bool:
    """Whether a lost run may go on: its pilot can still be recovered, or is just being. Until then, views wait."""
    if run.state is not State.LOST:
        return False
    pilot = PILOTS.find(run.pilot)
    if not isinstance(pilot, PilotRecord) or pilot.created > run.created:  # unreadable, or a later one of that name
        return False
    pilot = seen(pilot)  # that it is lost may not be written yet
    if pilot.state is State.LOST:
        return may_be_recovered(pilot)
    return pilot.state is State.STARTING  # its runs are told after itself


def is_resumable(kind: str) -> bool:
    """Whether runs of this kind go on under another supervisor."""
    point = next(iter(entry_points(group="pilothouse.runs", name=kind)), None)
    try:
        return point is not None and bool(getattr(point.load(), "resumable", False))
    except ImportError:
        return False
