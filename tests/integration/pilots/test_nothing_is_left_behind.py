"""After a busy session, however it ended: no process, no file in the temporary folder, none in the node store."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse.registry.records import PILOTS, RUNS
from tests.waiting import eventually

pytestmark = pytest.mark.slow

SESSION = """
import sys
import time
import numpy as np
import pilothouse as ph

pilot = ph.submit("local", name="busy", nodes=2, idle_timeout=sys.argv[1]).wait()
ref = ph.data.put(np.ones(100_000), pilot=pilot)
assert pilot.client().submit(lambda ref: float(ref.view().mean()), ref).result() == 1.0
stream = ph.streams.run(pilot=pilot, name="stream", rate=50, points=200)
market = ph.market.connect(pilot=pilot)
market.provide("ada", price=1, pilot=pilot)
job = market.post("fedavg", data="digits", budget=100_000, rounds=1000, providers=1, name="job")
while not (job.progress or {"done": 0})["done"] or not any(stream.frame().columns.get("consumed", ())):
    time.sleep(0.05)
    assert not job.state.ended, job.reason
print("busy", flush=True)
time.sleep(1000)
"""


def processes(home: Path) -> list[str]:
    """Command lines of what was started with this state folder, this process aside."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("PILOTHOUSE_HOME") == str(home)
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


def files(*folders: Path) -> list[str]:
    """Everything below, but for the empty folders that are the user's own."""
    found = [path for folder in folders for path in folder.rglob("*")]
    kept = (f"pilothouse-{os.getuid()}", "scratch")
    return sorted(str(path) for path in found if not (path.is_dir() and path.name in kept))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state_home: Path) -> Iterator[tuple[Path, Path]]:
    """The temporary folder and the node store of the session."""
    short = Path(tempfile.mkdtemp(prefix="n"))  # sockets will be below it, and their paths may have 107 bytes at most
    folders = short / "t", tmp_path / "store"
    for folder, variable in zip(folders, ("TMPDIR", "PILOTHOUSE_STORE"), strict=True):
        folder.mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)  # it is remembered
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    return folders


def kill_supervisor() -> None:
    supervisor = PILOTS.read("busy").supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)


def terminate_supervisor() -> None:
    supervisor = PILOTS.read("busy").supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGTERM)


def kill_supervisor_then_cancel() -> None:
    kill_supervisor()
    eventually(lambda: ph.Pilot("busy").state == "lost")
    ph.Pilot("busy").cancel()  # until then everything stays for its recovery


def kill_a_node_then_cancel() -> None:
    os.kill(PILOTS.read("busy").nodes[0].pid, signal.SIGKILL)
    ph.Pilot("busy").cancel()


def stop_all_runs_and_wait_until_idle() -> None:
    for run in ph.runs():
        run.stop()


ENDS: dict[str, tuple[Callable[[], object], str]] = {
    "cancelled": (lambda: ph.Pilot("busy").cancel(), "finished"),
    "idle": (stop_all_runs_and_wait_until_idle, "finished"),
    "node killed, then cancelled": (kill_a_node_then_cancel, "finished"),
    "supervisor terminated": (terminate_supervisor, "finished"),
    "supervisor killed, then cancelled": (kill_supervisor_then_cancel, "finished"),
}


#: Long enough for a busy computer to come from the start of the pilot to its first run.
IDLE_TIMES = {"idle": "30s"}


#: Those that are seen by day.
BY_DAY = ("cancelled", "node killed, then cancelled")


@pytest.mark.parametrize(
    "how", [how if how in BY_DAY else pytest.param(how, marks=pytest.mark.nightly) for how in ENDS]
)
def test_nothing_is_left_of_a_busy_session(state_home: Path, temporary: tuple[Path, Path], how: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SESSION, IDLE_TIMES.get(how, "30min")],
        stdout=subprocess.PIPE,
        env=dict(os.environ),
        text=True,
    ) as session:
        try:
            assert session.stdout is not None
            assert session.stdout.readline() == "busy\n"
        finally:
            session.kill()  # the kernel goes first, as kernels do
    assert files(*temporary)
    assert len(processes(state_home)) > 5
    end, state = ENDS[how]
    end()
    pilot = ph.Pilot("busy")
    eventually(lambda: pilot.state == state)
    left: list[str] = []

    def gone() -> bool:
        left[:] = [*processes(state_home), *files(*temporary)]
        return not left

    with contextlib.suppress(AssertionError):
        eventually(gone)
    assert not left, "\n".join(left)
    assert all(run.state.ended for run in ph.runs())
    assert not [path for name in ("tls.*", "scheduler.json", "*.sock") for path in state_home.rglob(name)]


def test_a_new_pilot_removes_what_a_killed_process_was_writing(state_home: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = RUNS.root / f".old.json.{ended.pid}.0123abcd"
    left.touch()
    os.utime(left, times=(time.time() - 7200,) * 2)
    with ph.submit("local"):
        eventually(lambda: not left.exists())
