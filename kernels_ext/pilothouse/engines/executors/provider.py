"""A pilot as what Parsl's executors, and endpoints of Globus Compute, get their blocks of workers from."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parsl.jobs.states import JobState, JobStatus
from parsl.providers.base import ExecutionProvider
from parsl.utils import RepresentationMixin

from pilothouse.errors import NotFound
from pilothouse.registry.records import State
from pilothouse.runs.handle import Run

_STATES = {
    State.PENDING: JobState.PENDING,
    State.STARTING: JobState.PENDING,
    State.FINISHED: JobState.COMPLETED,
    State.FAILED: JobState.FAILED,
    State.LOST: JobState.FAILED,
}


class PilotProvider(ExecutionProvider, RepresentationMixin):  # type: ignore[misc]
    """Blocks of workers as tasks on a pilot's nodes, instead of jobs of a batch system.

    For ``HighThroughputExecutor(provider=...)`` of Parsl and ``GlobusComputeEngine(provider=...)`` of an endpoint. The
    pilot is taken by its name, so a process that did not submit it, such as an endpoint's, has it, too. A block that
    waits for cores is pending; one whose node goes away is started again elsewhere by the pilot.

    Parameters
    ----------
    pilot
        Its name.
    cores
        Of each block; those are no other task's.
    worker_init
        Shell commands before the workers start, such as ``module load``; when left out, the folder of this process's
        Python comes first in their ``PATH``, where Parsl's workers are looked for.
    init_blocks, min_blocks, max_blocks, parallelism
        As of all providers of Parsl's.
    """

    def __init__(
        self,
        pilot: str,
        cores: int = 1,
        worker_init: str | None = None,
        init_blocks: int = 1,
        min_blocks: int = 0,
        max_blocks: int = 1,
        parallelism: float = 1.0,
    ) -> None:
        self.pilot, self.cores, self.worker_init = pilot, cores, worker_init
        self.init_blocks, self.min_blocks, self.max_blocks = init_blocks, min_blocks, max_blocks
        self.parallelism = parallelism
        self.nodes_per_block = 1
        self.script_dir: str | None = None
        self.resources: dict[object, Any] = {}
        self.cores_per_node: int | None = cores
        self.mem_per_node: float | None = None

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl.auto") -> str:  # noqa: ARG002 - as below
        """Start a block; the name of its run.

        Raises what :meth:`pilothouse.Pilot.execute` raises. Names of jobs are not used: each run has its own.
        """
        import pilothouse as ph

        # A worker pool is one command a node, whatever it is to start itself.
        first = self.worker_init
        if first is None:
            first = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
        env = {"PARSL_CORES": str(self.cores)}
        pilot = ph.attach(self.pilot)
        task: Run = pilot.execute(["bash", "-c", f"{first}\n{command}"], cores=self.cores, env=env)  # type: ignore[union-attr]
        return task.name

    def status(self, job_ids: Sequence[object]) -> list[JobStatus]:
        """What has become of blocks."""
        return [_status(str(name)) for name in job_ids]

    def cancel(self, job_ids: Sequence[object]) -> list[bool]:
        """End blocks."""
        for name in job_ids:
            with contextlib.suppress(NotFound):  # it was removed, ended
                Run(str(name)).stop()
        return [True] * len(job_ids)

    @property
    def label(self) -> str:
        """The pilot's name."""
        return self.pilot

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two looks."""
        return 2


def _status(name: str) -> JobStatus:
    try:
        run = Run(name)
        state, reason = run.state, run.reason
    except NotFound:
        return JobStatus(JobState.CANCELLED, "its run was removed")
    if state is State.FINISHED and reason == "stopped":
        return JobStatus(JobState.CANCELLED)
    waits = state is State.RUNNING and reason.startswith("waits")
    return JobStatus(
        JobState.PENDING if waits else _STATES.get(state, JobState.RUNNING), reason or None,
        stdout_path=str(run.folder / "stdout.log"), stderr_path=str(run.folder / "stderr.log"),
    )  # fmt: skip
