"""Which lost runs may go on: views of them wait."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from pilothouse.pilots.supervisor.recovery import may_return
from pilothouse.registry.records import PILOTS, PilotRecord, ProcessRef, RunRecord, State
from pilothouse.state import utcnow


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path))


def _lost_run(pilot: State, left: float = 60.0, age: float = 100.0) -> RunRecord:
    now = utcnow()
    PILOTS.write(
        PilotRecord(
            name="p", site="local", state=pilot, created=now - timedelta(seconds=age),
            lease_end=now + timedelta(seconds=left), begun=now,
            supervisor=ProcessRef(
                host=socket.gethostname(), pid=os.getpid(), started=psutil.Process().create_time()
            ) if pilot is State.RUNNING else None,
        )
    )  # fmt: skip
    return RunRecord(name="r", kind="stream", pilot="p", state=State.LOST, created=now - timedelta(seconds=50))


@pytest.mark.parametrize("state", [State.LOST, State.STARTING])
def test_a_lost_run_may_return_with_its_pilot(state: State) -> None:
    assert may_return(_lost_run(state))


@pytest.mark.parametrize("state", [State.RUNNING, State.FINISHED, State.FAILED])
def test_it_does_not_return_once_its_pilot_went_on_without_it_or_ended(state: State) -> None:
    assert not may_return(_lost_run(state))


def test_it_does_not_return_after_the_lease_nor_with_a_later_pilot_or_none() -> None:
    assert not may_return(_lost_run(State.LOST, left=-1))
    assert not may_return(_lost_run(State.LOST, age=10))
    orphan = _lost_run(State.LOST)
    orphan.pilot = "gone"
    assert not may_return(orphan)


def test_what_is_not_lost_is_not_awaited() -> None:
    run = _lost_run(State.LOST)
    run.state = State.FAILED
    assert not may_return(run)
