"""A fake batch system for a test: its commands on the path, its jobs in a folder, nothing left at the end."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.engine import Engine
from tests.waiting import eventually

HERE = Path(__file__).parent
COMMANDS = {
    "pbs": ("qsub", "qselect", "qstat", "qdel", "pbsnodes", "pbsdsh"),
    "lsf": ("bsub", "bjobs", "bkill", "bqueues", "bhosts", "lshosts"),
    "htcondor": ("condor_submit", "condor_q", "condor_history", "condor_rm", "condor_status"),
}
#: The variable by which the real commands find their own settings.
MEANT_BY = {"pbs": "PBS_CONF_FILE", "lsf": "LSF_ENVDIR", "htcondor": "CONDOR_CONFIG"}
QUEUES = {"pbs": ("workq", "debug"), "lsf": ("normal", "short"), "htcondor": ()}
HOSTS = ("node1", "node2")
CORES = 4


class FakeBatch:
    """A batch system with two nodes of four cores.

    Attributes
    ----------
    bin
        The folder of its commands.
    """

    def __init__(self, system: str, folder: Path) -> None:
        self.system, self.folder = system, folder
        self.bin = folder / "bin"
        for name in ("bin", "jobs", "scripts", "hanging"):
            (folder / name).mkdir(parents=True)
        for host in HOSTS:
            program(folder / "hosts" / host / "hostname", f"echo {host}")
        for command in COMMANDS[system]:
            words = [sys.executable, "-BSE", HERE / f"{system}.py", folder, command]
            program(self.bin / command, f'exec {shlex.join(map(str, words))} "$@"')
        self.set(hosts=dict.fromkeys(HOSTS, CORES), cores=CORES, queues=QUEUES[system])

    def set(self, **settings: Any) -> None:
        """Change how this installation is."""
        path = self.folder / "settings.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **settings}))

    @contextmanager
    def misbehaving(self, **control: Any) -> Iterator[None]:
        """For a while, do as :func:`tests.fakes.engine.behave` says."""
        path = self.folder / "control.json"
        path.with_suffix(".new").write_text(json.dumps(control))
        path.with_suffix(".new").replace(path)
        yield
        path.unlink()

    def jobs(self) -> list[dict[str, Any]]:
        """What is really so."""
        return [json.loads(path.read_text()) for path in sorted((self.folder / "jobs").glob("*.json"))]

    def alive(self) -> list[int]:
        """Processes that look after jobs, and commands that hang."""
        hanging = [int(path.name) for path in (self.folder / "hanging").iterdir()]
        return [pid for pid in [*(job["runner"] for job in self.jobs()), *hanging] if pid and _lives(pid)]

    def close(self) -> None:
        """End all jobs, and wait until they have ended."""
        engine = Engine(self.folder)
        for job in reversed(self.jobs()):
            engine.cancel(job["number"])
        eventually(lambda: not self.alive(), "the end of the jobs' processes")


@contextmanager
def fake_batch(system: str, folder: Path) -> Iterator[FakeBatch]:
    """The batch system, with its commands on the path."""
    batch = FakeBatch(system, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(batch.bin), prepend=os.pathsep)
        patch.setenv(MEANT_BY[system], str(folder))
        try:
            yield batch
        finally:
            batch.close()


def program(path: Path, line: str) -> None:
    """A program of one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
