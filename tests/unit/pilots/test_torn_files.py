"""Files that a process was writing when it was killed: they go, and those that are being written stay."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.pilots.supervisor.orphans import TORN_S, remove_torn
from pilothouse.registry.line.client import runtime_folder
from pilothouse.registry.records import PILOTS, RUNS
from pilothouse.state import write_atomic

KILLED = """
import os, sys
from pathlib import Path
from pilothouse.state import write_atomic
os.fsync = lambda descriptor: os._exit(9)
write_atomic(Path(sys.argv[1]), b"half")
"""


def torn(path: Path, age_s: float) -> Path:
    """What a writer of `path` leaves that is killed, so long ago."""
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    (left,) = path.parent.glob(f".{path.name}.*")
    os.utime(left, times=(time.time() - age_s,) * 2)
    return left


@pytest.mark.usefixtures("host")
def test_the_sweep_removes_what_killed_writers_left(state_home: Path) -> None:
    old, young = TORN_S + 60, TORN_S - 60
    places = [state_home / "id", PILOTS.path("anna"), RUNS.path("bert"), RUNS.folder("carl") / "place.json"]
    gone = [*(torn(place, old) for place in places), torn(runtime_folder() / "poll-1.json", 0)]
    kept = [torn(PILOTS.path("dora"), young), RUNS.path("emil").with_name(f".emil.json.{os.getpid()}.0123abcd")]
    kept[1].touch()  # of another host, maybe; and of this very process
    os.utime(kept[1], times=(time.time() - old,) * 2)
    work = RUNS.folder("carl") / "work" / ".mine.4194303.0123abcd"
    work.parent.mkdir()
    work.touch()
    os.utime(work, times=(time.time() - old,) * 2)
    write_atomic(PILOTS.folder("dora") / "token", b"whole")
    ph.sweep(end=False)
    assert all(path.exists() for path in gone)
    ph.sweep()
    assert not [path for path in gone if path.exists()]
    assert all(path.exists() for path in (*kept, work, PILOTS.folder("dora") / "token"))


@pytest.mark.usefixtures("host")
def test_a_supervisor_removes_what_others_left_in_this_hosts_folder_but_no_sockets(state_home: Path) -> None:
    left, socket = torn(runtime_folder() / "poll-1.json", 0), runtime_folder() / "anna-4194303.sock"
    socket.touch()  # of a container's process, maybe, whose numbers are not those of this host
    for kind in (PILOTS, RUNS):
        kind.root.mkdir(parents=True, exist_ok=True)
    remove_torn()
    assert not left.exists()
    assert socket.exists()
