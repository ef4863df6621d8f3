"""A login node of the tests' Slurm, with a home and a temporary folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import PilothouseError
from pilothouse.pilots import Pilot
from pilothouse.pilots.submission import pilots
from pilothouse.registry.records import NodeRecord
from tests.slurm.cluster import SlurmCluster, SlurmJob
from tests.waiting import eventually

#: Slurm's words for jobs that take or will take a place.
ALIVE = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED")
#: Everything on loopback, and answers as quick as the tests' Slurm.
SITE = {
    "system": "slurm",
    "interface": "lo",
    "poll_least": 0.3,
    "poll_most": 1,
    "timeout": 10,
}


class LoginNode:
    """Where a user of the cluster works: its site files, the commands on its PATH, pilots with few words."""

    def __init__(self, cluster: SlurmCluster, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.cluster = cluster
        self.folder = folder
        self.temporary = folder / "t"
        self.pilots: list[Pilot] = []
        self._site_files = folder / "sites"
        self._commands = folder / "bin"
        for path in (self.temporary, self._site_files, self._commands):
            path.mkdir(mode=0o700)
        patch.setenv("PILOTHOUSE_SITES", str(self._site_files))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("PATH", f"{self._commands}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("TMPDIR", str(self.temporary))
        patch.delenv("XDG_RUNTIME_DIR", raising=False)
        patch.setattr(tempfile, "tempdir", None)  # it is remembered
        self.site()

    def site(self, name: str = "slurm", **settings: object) -> None:
        """Write the site file `name`: :data:`SITE` with `settings`."""
        lines = [f"{key} = {_toml(value)}" for key, value in {**SITE, **settings}.items()]
        (self._site_files / f"{name}.toml").write_text("\n".join([f"[{name}]", *lines, ""]))

    def submit(self, site: str = "slurm", **description: Any) -> Pilot:
        """A pilot of nodes of one core, one of which takes a quarter of a node of the cluster."""
        pilot = ph.submit(site, **{"cores": 1, "memory": "900 MiB", "walltime": "10min", **description})
        self.pilots.append(pilot)
        return pilot

    def alive(self) -> list[SlurmJob]:
        """The jobs that are pending or running."""
        return [job for job in self.cluster.jobs() if job.state in ALIVE]

    def wrap(self, command: str, script: str) -> Path:
        """Put `script` (bash) before `command` on the PATH; ``$real`` is the real one. An empty script unwraps it."""
        path = self._commands / command
        if not script:
            path.unlink()
            return path
        real = shutil.which(command, path="/usr/bin:/bin:/usr/local/bin")
        new = path.with_suffix(".new")
        new.write_text(f"#!/bin/bash\nreal={real}\n{script}\n")
        new.chmod(stat.S_IRWXU)
        new.replace(path)  # one that runs now keeps its own
        return path

    def count(self, command: str) -> Path:
        """Log each call of `command`, a line each, to the file that is returned."""
        log = self.folder / f"{command}.calls"
        log.touch()
        self.wrap(command, f'echo "$*" >> {log}\nexec "$real" "$@"')
        return log

    def processes(self) -> list[psutil.Process]:
        """What was started with this node's temporary folder, the test aside."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.environ().get("TMPDIR", "").startswith(str(self.temporary))
                if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def files(self) -> list[str]:
        """What is in the temporary folder, but for what is the user's own: empty folders, the latest poll."""
        own = (f"pilothouse-{os.getuid()}", "scratch", "nodes")
        found = [
            path for path in self.temporary.rglob("*")
            if not (path.is_dir() and path.name in own) and not path.match("poll-*")
        ]  # fmt: skip
        return sorted(str(path.relative_to(self.temporary)) for path in found)


def running(pilot: Pilot) -> list[NodeRecord]:
    """The nodes that are running, in the order of their names' numbers."""
    return [node for node in pilot.nodes if node.state == "running"]


def happened(pilot: Pilot, what: str) -> list[dict[str, Any]]:
    """The events of that kind."""
    return [event for event in pilot.events() if event["what"] == what]


def supervisor(pilot: Pilot) -> psutil.Process:
    """The process that owns the pilot, once there is one that answers."""
    eventually(lambda: pilot.record.answers, "a supervisor that answers")
    found = pilot.record.supervisor
    assert found is not None
    return psutil.Process(found.pid)


def kill_supervisor(pilot: Pilot) -> None:
    """SIGKILL, and until the pilot is seen to be lost."""
    process = supervisor(pilot)
    process.kill()
    eventually(lambda: not remains.is_running(process), "its end")
    eventually(lambda: pilot.state == "lost", "a pilot that is lost")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


@contextlib.contextmanager
def login_node(cluster: SlurmCluster) -> Iterator[LoginNode]:
    """A login node of `cluster` with an empty home; what is left on it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="ph-"))  # a short path: sockets are in it
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PILOTHOUSE_HOME", str(folder / "home"))
            node = LoginNode(cluster, folder, patch)
            try:
                yield node
            finally:
                shutil.rmtree(folder / "bin")  # the real commands again
                for pilot in [*node.pilots, *pilots()]:
                    with contextlib.suppress(PilothouseError):  # its record is gone, or it is a failed test's
                        pilot.cancel()
                for process in node.processes():
                    process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
