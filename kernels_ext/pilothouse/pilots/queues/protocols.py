"""What a batch system must be able to do for a pilot."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pilothouse.pilots.records import State

#: One BLAS thread for each of a worker's threads.
ONE_BLAS_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Job:
    """A batch job to be: one node of a pilot.

    Attributes
    ----------
    arguments
        Command line of :mod:`pilothouse.pilots.node`.
    log
        The file for what it prints.
    scratch
        Its working folder, which goes with it.
    environment
        Variables to set.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    scratch: Path
    environment: Mapping[str, str]

    @property
    def command(self) -> list[str]:
        """What the job has to execute."""
        return [sys.executable, "-m", "pilothouse.pilots.node", *self.arguments]


@dataclass(frozen=True)
class JobStatus:
    """What the batch system says of a job."""

    state: State
    reason: str = ""
    host: str = ""
    pid: int = 0


class Queue(Protocol):
    """Submit, poll, cancel. No method blocks the event loop for longer than a system call."""

    async def submit(self, job: Job) -> str:
        """Hand the job over and return the batch system's id for it.

        Raises
        ------
        PilothouseError
            The batch system refused, in its own words.
        """

    async def poll(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """The state of these jobs. A job that is left out is one of which nothing can be said now."""

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """End these jobs, within `grace` seconds by their own hand; ended or unknown ones are no error."""
