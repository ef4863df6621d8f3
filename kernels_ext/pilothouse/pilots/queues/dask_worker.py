"""What happens in the workers of an attached Dask cluster: a node's job is started beside one, told of, and ended.

These functions are sent to the workers by name. What a worker has is told by its heartbeat, so that nobody has to ask
the workers: the scheduler knows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

#: The name of the plugin, and of the worker's metric that tells of jobs.
NAME = "pilothouse-jobs"
#: How many jobs that have ended a worker remembers.
MEMORY = 20
#: Seconds after which a file is to be seen on all hosts that share its folder.
SEEN_S = 5.0
#: Dask's own settings for processes that a worker starts for itself.
_DASKS_OWN = ("DASK_INTERNAL_INHERIT_CONFIG",)


@dataclass
class _Job:
    tag: str
    script: str
    pid: int
    keeper: subprocess.Popen[str]

    def told(self) -> dict[str, Any]:
        known = {"tag": self.tag, "script": self.script, "pid": self.pid}
        return {**known, "host": socket.gethostname(), "code": self.keeper.poll()}

    def end(self) -> None:
        assert self.keeper.stdin is not None  # noqa: S101  # it was started with one
        with contextlib.suppress(OSError):
            self.keeper.stdin.close()


class Jobs(WorkerPlugin):  # type: ignore[misc,unused-ignore]
    """The jobs beside one worker; they end with it."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}

    @classmethod
    async def of(cls, worker: Any) -> Jobs:
        """Those of `worker`."""
        if NAME not in worker.plugins:
            jobs = cls()
            await worker.plugin_add(plugin=jobs, name=NAME)
            worker.metrics[NAME] = lambda _: jobs.told()
        found: Jobs = worker.plugins[NAME]
        return found

    def told(self) -> dict[str, dict[str, Any]]:
        """Each job by its id: ``tag``, ``script``, ``pid``, ``host``, and its exit ``code`` once it has ended."""
        ended = [number for number, job in self._jobs.items() if job.keeper.poll() is not None]
        for number in ended[:-MEMORY]:
            del self._jobs[number]
        return {number: job.told() for number, job in self._jobs.items()}

    async def begin(self, number: str, tag: str, node: str, script: str, log: str, mark: str) -> dict[str, Any]:
        """Start a job; what :meth:`told` says of it."""
        keeper = await asyncio.to_thread(_keeper, node, script, log, mark)
        assert keeper.stdout is not None  # noqa: S101  # it was started with one
        with keeper.stdout:
            said = await asyncio.to_thread(keeper.stdout.readline)
        if not said.strip().isdecimal():
            return {"unfit": f"a process that was started there ended with exit code {keeper.wait()}: see {log}"}
        self._jobs[number] = _Job(tag, script, int(said), keeper)
        return self._jobs[number].told()

    def end(self, numbers: list[str]) -> None:
        """Have these jobs end; others are no error."""
        for number in numbers:
            if number in self._jobs:
                self._jobs[number].end()

    def teardown(self, worker: Any) -> None:
        """The worker closes, in whatever process it is."""
        self.end(list(self._jobs))


async def begin(
    number: str, tag: str, node: str, script: str, log: str, mark: str, python: str, version: str,
    dask_worker: Any = None,
) -> dict[str, Any]:  # fmt: skip
    """Start a job beside this worker; or say, as ``unfit``, why there can be none."""
    if (own := installed("pilothouse")) != version:
        return {"unfit": f"it has Pilothouse {own}, and the pilot {version}: install the same there"}
    if not await asyncio.to_thread(_is_seen, Path(script)):
        return {"unfit": f"{script} is not to be seen there: its host has to share the state folder, PILOTHOUSE_HOME"}
    if not os.access(python, os.X_OK):
        return {"unfit": f"there is no {python} there; the worker's own is {sys.executable}"}
    return await (await Jobs.of(dask_worker)).begin(number, tag, node, script, log, mark)


async def end(numbers: list[str], dask_worker: Any = None) -> None:
    """End these jobs of this worker."""
    (await Jobs.of(dask_worker)).end(numbers)


def _is_seen(script: Path) -> bool:
    """Whether this host sees what another has just written, within the seconds that a shared file system may take."""
    until = time.monotonic() + SEEN_S
    while not script.is_file():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _keeper(node: str, script: str, log: str, mark: str) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[3])
    environment = {name: value for name, value in os.environ.items() if name not in _DASKS_OWN}
    if not root.startswith((sys.prefix, sys.base_prefix)):  # not installed, but found by this worker
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    with open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "pilothouse.pilots.node.keeper", node, script, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env=environment,
            cwd="/",  # the worker's own folder goes with it
            start_new_session=True,
        )
