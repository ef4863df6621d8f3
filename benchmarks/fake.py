"""A fake batch system: it lists as many jobs as it was given, starts none, and costs nothing itself."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pilothouse.pilots.queues.protocols import Job, JobStatus, member
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State


class FakeQueue:
    """All its jobs wait; each time it is asked, one is in another place."""

    def __init__(self, site: Site) -> None:
        del site
        self._jobs: dict[str, JobStatus] = {}
        self._asked = 0

    def script(self, job: Job) -> str:
        """Nothing runs it."""
        return f"#!/bin/sh\n# {job.name}\n"

    async def submit(self, job: Job) -> str:
        """It waits."""
        return (await self.submit_array(job))[0]

    async def submit_array(self, job: Job) -> list[str]:
        """They wait."""
        first = len(self._jobs) + 1
        ids = [str(first + index) for index in range(job.count)]
        for index, number in enumerate(ids):
            self._jobs[number] = JobStatus(State.PENDING, "Priority", tag=member(job.tag, index))
        return ids

    async def poll(self) -> dict[str, JobStatus]:
        """All jobs."""
        self._asked += 1
        if self._jobs:
            number = str(self._asked % len(self._jobs) + 1)
            self._jobs[number] = replace(self._jobs[number], reason=f"Priority ({self._asked})")
        return dict(self._jobs)

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:  # noqa: ARG002 - the protocol's
        """It forgets what has ended."""
        return {}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:  # noqa: ARG002 - the protocol's
        """They are gone."""
        for job in ids:
            self._jobs.pop(job, None)

    async def limits(self) -> list[QueueLimits]:
        """None."""
        return []

    async def estimate(self, job: Job) -> datetime | None:  # noqa: ARG002 - the protocol's
        """Never."""
        return None


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Have this process, and supervisors that it starts, know the batch system ``fake``."""
    with tempfile.TemporaryDirectory() as folder:
        metadata = Path(folder, "pilothouse_benchmark_fake-1.dist-info")
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pilothouse-benchmark-fake\nVersion: 1\n")
        (metadata / "entry_points.txt").write_text("[pilothouse.queues]\nfake = benchmarks.fake:FakeQueue\n")
        places = [folder, str(Path(__file__).parents[1])]
        sys.path[:0] = places
        try:
            yield
        finally:
            for place in places:
                sys.path.remove(place)
