"""A run's handle is of its kind, in whichever way it is found."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.market import Job
from pilothouse.registry.records import RUNS, RunRecord, State
from pilothouse.runs.handle import Run
from pilothouse.state import utcnow
from pilothouse.tasks.handle import Task


@pytest.mark.parametrize(("kind", "handle"), [("training", Job), ("tasks", Task), ("stream", Run), ("unknown", Run)])
def test_a_handle_is_of_the_runs_kind(kind: str, handle: type[Run], state_home: Path) -> None:
    RUNS.write(RunRecord(name="x", kind=kind, pilot="p", state=State.FINISHED, created=utcnow()))
    assert type(ph.attach("x")) is handle
    assert [type(run) for run in ph.runs()] == [handle]
    assert type(pickle.loads(pickle.dumps(ph.attach("x")))) is handle
