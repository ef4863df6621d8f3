"""A home folder that is read-only or full, records of a newer version, clocks that differ: said, and nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import PilothouseError
from pilothouse.pilots.queues.discovery import local_site
from pilothouse.pilots.submission import pilots
from pilothouse.registry.liveness import why_lost
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, ProcessRef, State
from pilothouse.state import utcnow
from tests.waiting import eventually


@pytest.fixture
def small_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder on a file system of its own with room for two megabytes."""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", home], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"only root may mount a file system: {done.stderr.strip()}")
    monkeypatch.setenv("PILOTHOUSE_HOME", str(home))
    try:
        yield home
        for pilot in pilots():
            pilot.cancel()
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)


def fill(home: Path) -> Path:
    """Take all the room that is left."""
    ballast = home / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return ballast


def test_a_full_home_is_named_and_nothing_is_started(small_home: Path) -> None:
    ballast = fill(small_home)
    before = set(psutil.pids())
    with pytest.raises(PilothouseError, match=rf"{small_home}.*No space left on device"):
        ph.submit("local", nodes=1)
    ours = [pid for pid in set(psutil.pids()) - before if environment(pid).get("PILOTHOUSE_HOME") == str(small_home)]
    assert not ours
    assert not pilots()
    ballast.unlink()
    with ph.submit("local", nodes=1).wait(timeout=60) as pilot:
        assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3


def environment(pid: int) -> dict[str, str]:
    try:
        return psutil.Process(pid).environ()
    except psutil.Error:
        return {}


def test_a_pilot_outlives_a_home_that_is_full_for_a_time(small_home: Path) -> None:
    with ph.submit("local", nodes=1).wait(timeout=60) as pilot:
        run = pilot.launch("count", {"to": 5})
        eventually(lambda: len(run.frame().time), "its first samples")
        ballast = fill(small_home)
        supervisor = pilot.record.supervisor
        assert supervisor is not None
        for _ in range(3):
            with pytest.raises(PilothouseError, match="can't be written: No space left"):
                pilot.extend(1)
        client = pilot.client()
        assert client.submit(sum, [1, 2]).result(timeout=30) == 3
        os.kill(next(iter(client.run(os.getpid).values())), 9)
        eventually(lambda: not client.scheduler_info(-1)["workers"], "the end of its node")
        ballast.unlink()
        eventually(lambda: client.submit(os.getpid, pure=False).result(timeout=30), "a new node")
        assert len(client.scheduler_info(-1)["workers"]) == 1, "what was refused was not done"
        eventually(lambda: run.state.ended, "the end of a run that could not be written")
        pilot.scale(2).wait(timeout=60)
        assert pilot.record.supervisor == supervisor
        everything = [psutil.Process(supervisor.pid), *psutil.Process(supervisor.pid).children(recursive=True)]
        ballast = fill(small_home)
        pilot.cancel()
        eventually(lambda: not any(remains.is_running(process) for process in everything), "the end of all it had")
        ballast.unlink()
    assert (pilot.state, pilot.reason) == ("finished", "cancelled")


def test_a_read_only_home_is_named_and_pilots_are_still_shown(small_home: Path) -> None:
    PILOTS.write(PilotRecord(name="old", site="local", created=utcnow(), ended=utcnow(), state=State.FINISHED))
    settings = local_site().model_dump(mode="json")
    gone = PilotRecord(name="gone", site="local", settings=settings, created=utcnow(), state=State.RUNNING)
    gone.created = gone.begun = utcnow() - timedelta(hours=1)
    PILOTS.write(gone)
    subprocess.run(["mount", "-o", "remount,ro", small_home], check=True)
    try:
        with pytest.raises(PilothouseError, match=rf"{small_home}.*Read-only file system"):
            ph.submit("local", nodes=1)
        assert {pilot.name: str(pilot.state) for pilot in pilots()} == {"old": "finished", "gone": "lost"}
    finally:
        subprocess.run(["mount", "-o", "remount,rw", small_home], check=True)


def test_records_of_a_newer_version_are_shown_and_kept(state_home: Path) -> None:
    newer = {"schema_version": 99, "colour": {"hull": "red"}}
    strange = {"name": "strange", "site": "moon", "state": "running", "created": utcnow().isoformat(), **newer}
    path = PILOTS.path("strange")
    path.write_text(json.dumps(strange))
    found = pilots()
    assert [each.name for each in found.unreadable] == ["strange"]
    assert "schema_version: 99 is of a newer Pilothouse than this one: update" in repr(found)
    with pytest.raises(PilothouseError, match="newer Pilothouse"):
        ph.attach("strange")
    with pytest.raises(PilothouseError, match="newer Pilothouse"):
        ph.submit("local", name="strange")
    assert json.loads(path.read_text()) == strange, "untouched"


def test_fields_that_are_not_known_here_are_kept(state_home: Path) -> None:
    record = PilotRecord(name="old", site="local", created=utcnow(), state=State.FINISHED)
    path = PILOTS.path("old")
    path.write_text(json.dumps({**record.model_dump(mode="json"), "colour": {"hull": "red"}}))
    read = PILOTS.read("old")
    read.reason = "looked at"
    PILOTS.write(read)
    kept = json.loads(path.read_text())
    assert (kept["reason"], kept["colour"]) == ("looked at", {"hull": "red"})


def test_clocks_that_differ_lose_no_pilot_and_make_no_negative_times(state_home: Path) -> None:
    now = utcnow()
    ahead = now + timedelta(hours=1)
    node = NodeRecord(name="skewed-1", state=State.RUNNING, submitted=ahead, started=ahead)
    node.ends = now - timedelta(minutes=5)
    record = PilotRecord(
        name="skewed",
        site="local",
        settings=local_site().model_dump(mode="json"),
        state=State.RUNNING,
        created=ahead,
        begun=ahead,
        heartbeat=ahead,
        socket="/nowhere",
        supervisor=ProcessRef(host="another-login-node", pid=1, started=0.0),
        nodes=[node],
    )
    assert why_lost(record) == ""
    PILOTS.write(record)
    pilot = ph.Pilot("skewed")
    assert pilot.state == "running"
    assert pilot.nodes[0].time_left == 0.0
    assert set(pilot.cost().values()) == {0.0}
    record.heartbeat = now - timedelta(minutes=10)
    PILOTS.write(record)
    assert "has not been heard of" in pilot.reason
