"""Launching a run, and asking the supervisor that drives it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pilothouse.errors import Conflict, PilothouseError, Unavailable
from pilothouse.registry.line import client as control
from pilothouse.registry.liveness import reconcile
from pilothouse.registry.naming import Exist, claim, remove
from pilothouse.registry.owning import check_same
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord, State
from pilothouse.runs.handle import Run
from pilothouse.state import utcnow, write_atomic

#: Seconds that a client gives a supervisor to answer for the first time.
ANSWER_S = 30.0


def launch(
    pilot: PilotRecord, kind: str, parameters: dict[str, Any], *, name: str | None = None,
    files: Mapping[str, bytes | Sequence[memoryview]] | None = None, exist: Exist = "number",
    stem: str | None = None,
) -> Run:  # fmt: skip
    """Start a run on a pilot: see :meth:`pilothouse.Pilot.launch`."""
    answering(pilot.name, pilot.created)  # before a name is taken
    record = claim(
        RUNS, name, stem or kind, lambda chosen: RunRecord(
            name=chosen, kind=kind, pilot=pilot.name, pilot_created=pilot.created, created=utcnow(),
            parameters=parameters,
        ), exist,
    )  # fmt: skip
    try:
        folder = RUNS.folder(record.name)
        for file, data in (files or {}).items():
            write_atomic(folder / file, data)
        ask(pilot.name, pilot.created, "launch", name=record.name)
    except BaseException as error:
        refused = isinstance(error, PilothouseError) and not isinstance(error, Unavailable)
        if refused or not _has(pilot, record.name):
            remove(RUNS, record)
        elif isinstance(error, Unavailable):  # only the answer was lost
            return Run(record.name)
        raise
    return Run(record.name)


def _has(pilot: PilotRecord, run: str) -> bool:
    """Whether the supervisor drives `run`: an interrupt may come between its yes and our hearing it."""
    try:
        ask(pilot.name, pilot.created, "status", name=run)
    except PilothouseError:
        return False
    return True


def ask(name: str, created: datetime, op: str, /, **arguments: Any) -> Any:
    """What the supervisor of the pilot called `name`, made at `created`, answers.

    Raises
    ------
    Conflict
        The pilot has ended, or is about to.
    NotFound
        It was removed.
    Unavailable
        Its supervisor does not answer, or did not start within :data:`ANSWER_S` seconds.
    """
    record = answering(name, created)
    try:
        return control.call(record, op, **arguments)[0]
    except Unavailable:
        _going_on(name, created)  # it may have ended a moment ago
        raise


def answering(name: str, created: datetime) -> PilotRecord:
    """The pilot's record, once it has a supervisor to ask; raises as :func:`ask`."""
    deadline = time.monotonic() + ANSWER_S
    while not (record := _going_on(name, created)).answers:
        if time.monotonic() > deadline:
            raise Unavailable(f"the supervisor of pilot {name!r} did not start within {ANSWER_S:.0f} s")
        time.sleep(0.02)
    return record


def _going_on(name: str, created: datetime) -> PilotRecord:
    record = reconcile(check_same(PILOTS.read(name), created))
    if record.state.ended or record.state is State.DRAINING:
        why = f": {record.reason}" if record.reason else ""
        raise Conflict(f"the pilot {name!r} is {record.state}{why}", field="pilot")
    return record
