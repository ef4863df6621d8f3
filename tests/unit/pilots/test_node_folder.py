"""The folder of a node's temporary files: it goes with the node, however early that ends, and is nobody else's."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.pilots.node.own_folder import OWNER, own_folder

#: A node that is told to end at the moment at which it has made its folder.
TOLD_TO_END = """
import os, signal, sys
from pathlib import Path
from pilothouse.pilots.node import node

make = Path.mkdir

def mkdir(self, *arguments, **options):
    make(self, *arguments, **options)
    if "@" in self.name:
        print(self.name, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

Path.mkdir = mkdir
node.run(sys.argv[1:])
"""


def test_a_node_that_is_ended_as_it_starts_leaves_no_folder(tmp_path: Path) -> None:
    paths = [f"--{name}=none" for name in ("scheduler-file", "tls-cert", "tls-key", "record")]
    command = [sys.executable, "-c", TOLD_TO_END, "--name=p-1", "--cores=1", f"--scratch={tmp_path}", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("p-1."), done.stderr
    assert done.returncode == 128 + signal.SIGTERM
    assert [path for path in tmp_path.rglob("*") if "@" in path.name] == []


def test_what_killed_nodes_of_this_host_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    parent = tmp_path / f"pilothouse-{os.getuid()}" / "nodes"
    here = socket.gethostname()
    dead, alive, elsewhere = f"p-1.{gone.pid}@{here}", f"p-2.{os.getpid()}@{here}", f"p-3.{gone.pid}@x{here}"
    for name in (dead, alive, elsewhere):
        (parent / name).mkdir(parents=True)
    own = own_folder("p-4", str(tmp_path))
    assert own.name == f"p-4.{os.getpid()}@{here}"
    assert {path.name for path in parent.iterdir()} == {alive, elsewhere}


@pytest.mark.parametrize(
    ("state", "minutes", "kept"),
    [("lost", 5, True), ("running", 5, True), ("lost", -5, False), ("finished", 5, False), ("failed", None, False)],
)
def test_what_a_killed_node_left_stays_as_long_as_its_pilot_can_go_on(
    tmp_path: Path, state: str, minutes: float | None, kept: bool
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead = tmp_path / f"pilothouse-{os.getuid()}" / "nodes" / f"p-1.{gone.pid}@{socket.gethostname()}"
    log, spilled = dead / "pilothouse-0123" / "data.mdb", dead / "dask-scratch-space" / "x"
    for path in (log, spilled):
        path.parent.mkdir(parents=True)
        path.touch()
    record = tmp_path / "p.json"
    end = None if minutes is None else (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    record.write_text(json.dumps({"state": state, "lease_end": end}))
    (dead / OWNER).write_text(json.dumps({"record": str(record)}))
    own_folder("p-4", str(tmp_path))
    assert log.exists() is kept
    assert not spilled.exists()
