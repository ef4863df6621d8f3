"""The queue that every computer has: a job is a process group of this host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.records import State


class LocalQueue:
    """Jobs are children of the supervisor; they start at once and can't outlive it by more than seconds."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}

    async def submit(self, job: Job) -> str:
        """Start the job's process; its id is the process's."""
        job.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with job.log.open("ab") as log:
                process = subprocess.Popen(
                    job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **job.environment},
                    cwd=job.scratch,
                    start_new_session=True,
                )
        except OSError as error:
            raise Unavailable(f"node {job.name} can't be started: {error.strerror}") from None
        self._jobs[str(process.pid)] = process, job.scratch
        return str(process.pid)

    async def poll(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """The state of these processes."""
        found = {}
        for job in ids:
            if job not in self._jobs:
                continue
            process, scratch = self._jobs[job]
            code = process.poll()
            if code is None:
                found[job] = JobStatus(State.RUNNING, host=socket.gethostname(), pid=process.pid)
                continue
            shutil.rmtree(scratch, ignore_errors=True)
            why = f"killed by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            found[job] = JobStatus(State.FINISHED if code == 0 else State.FAILED, why)
        return found

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """SIGTERM to the node, SIGKILL to its process group after `grace` seconds."""
        jobs = [self._jobs.pop(job) for job in ids if job in self._jobs]
        for process, _ in jobs:
            if process.poll() is None:
                process.terminate()
        deadline = asyncio.get_running_loop().time() + grace
        while any(process.poll() is None for process, _ in jobs) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for process, scratch in jobs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(scratch, ignore_errors=True)
