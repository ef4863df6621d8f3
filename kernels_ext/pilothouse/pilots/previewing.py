"""A pilot before it is submitted: its job scripts, and when the batch system expects to start them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pilothouse.errors import Refused, Unavailable
from pilothouse.registry.records import FIRST
from pilothouse.state import utcnow
from pilothouse.sync import blocking

if TYPE_CHECKING:
    from pilothouse.pilots.queues.protocols import Job, Queue
    from pilothouse.pilots.sites.site import Site

#: What is said where a batch system has no answer.
UNKNOWN = "the batch system does not tell before the job is submitted"
#: Seconds within which a start is at once.
_SOON_S = 30.0


@dataclass(frozen=True)
class JobPreview:
    """The job of the first node of one kind.

    Attributes
    ----------
    kind
        Which of the pilot's kinds of nodes.
    script
        The job script.
    expected_start
        When it would start if it were submitted now (UTC); None where the batch system can't tell.
    reason
        Why there is no expected start, in the batch system's words where it has some.
    """

    kind: str
    script: str
    expected_start: datetime | None = None
    reason: str = ""

    def when(self) -> str:
        """The expected start in words."""
        if self.expected_start is None:
            return f"expected start: not known ({self.reason})"
        if (self.expected_start - utcnow()).total_seconds() < _SOON_S:
            return "expected start: at once"
        return f"expected start: {self.expected_start:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, repr=False)
class Preview:
    """What :func:`pilothouse.submit` would hand over; printed, the scripts with their expected start below.

    Attributes
    ----------
    site
        Where.
    jobs
        One for each kind of node, that of the description's own fields first.
    """

    site: str
    jobs: tuple[JobPreview, ...]

    @property
    def expected_start(self) -> datetime | None:
        """When the pilot's first node would start (UTC); None where the batch system can't tell."""
        return min((job.expected_start for job in self.jobs if job.expected_start), default=None)

    def __repr__(self) -> str:
        several = len(self.jobs) > 1
        return "\n\n".join(
            f"{job.script.rstrip()}\n# {f'{job.kind}: ' if several else ''}{job.when()}" for job in self.jobs
        )


def preview(site: str = "local", **description: Any) -> Preview:
    """The job scripts of such a pilot and when its nodes should start; nothing is submitted.

    Where the batch system can't tell (all but Slurm tell only of jobs that they have), ``expected_start`` is None
    and ``reason`` says why. On a busy cluster the answer moves.

    Parameters
    ----------
    site, description
        As for :func:`submit`.

    Raises
    ------
    InvalidInput
        A value can't be used.
    Unavailable
        The site's batch system does not answer.

    Examples
    --------
    >>> import pilothouse as ph
    >>> ph.preview("local", nodes=2).jobs[0].when()
    'expected start: at once'
    """
    from pilothouse.pilots.queues.jobs import written

    found, jobs = _asked_for(site, description)
    starts = blocking(_starts(found, list(jobs.values())))
    return Preview(
        found.name,
        tuple(
            JobPreview(kind, written(job), start if isinstance(start, datetime) else None, _reason(start))
            for (kind, job), start in zip(jobs.items(), starts, strict=True)
        ),
    )


def script(site: str = "local", **description: Any) -> str:
    """The job script that such a pilot's nodes would be submitted with, each or many together; nothing is submitted.

    Parameters
    ----------
    site, description
        As for :func:`submit`.

    Raises
    ------
    InvalidInput
        A value can't be used.
    """
    from pilothouse.pilots.queues.jobs import written

    return written(_asked_for(site, description)[1][FIRST])


def _asked_for(site: str, description: dict[str, Any]) -> tuple[Site, dict[str, Job]]:
    """The site, and the first job of each kind of node."""
    from pilothouse.pilots.queues.discovery import describe
    from pilothouse.pilots.queues.jobs import first_jobs

    checked, found = describe(site=site, **description)
    return found, first_jobs(checked, found, checked.name or found.name)


async def _starts(site: Site, jobs: list[Job]) -> list[datetime | str | None]:
    """When each job would start, or why that is not known."""
    from pilothouse.pilots.queues import queue_for

    if site.system == "local":
        return [utcnow()] * len(jobs)
    queue = queue_for(site)
    return list(await asyncio.gather(*(_start(queue, job) for job in jobs)))


async def _start(queue: Queue, job: Job) -> datetime | str | None:
    try:
        return await queue.estimate(replace(job, count=1))  # arrays that are refused are no reason not to start
    except (Refused, Unavailable) as error:  # the script is worth seeing all the same
        return str(error)


def _reason(start: datetime | str | None) -> str:
    return start if isinstance(start, str) else "" if start else UNKNOWN
