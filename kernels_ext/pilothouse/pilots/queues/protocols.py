"""What a batch system must be able to do for a pilot."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from pilothouse.pilots.sites.description import NodeKind, PilotDescription
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

#: One BLAS thread for each of a worker's threads.
ONE_BLAS_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

#: The most members of an array: between two of them the set-point is looked at. Longer ones in a listing are not ours.
TOGETHER = 100


@dataclass(frozen=True)
class Job:
    """A batch job to be: one node of a pilot; several of them; or an array of such. Their numbers follow one another.

    Attributes
    ----------
    name
        The node's name; the first one's of several, or of an array.
    tag
        The job's name in the batch system, from :func:`pilothouse.registry.naming.tag`: by it orphans are known.
    command
        What the job has to execute, from :func:`node_command` and the like. Of several nodes, and in an array, each has
        its own name for the first word that is `name`.
    log
        The file for what it prints, on the shared file system; there, each one's is called after itself.
    description, kind, site
        What the pilot asked for, the kind of this node with everything filled in, and the site's customs.
    environment
        Variables to set; PYTHONPATH goes before what the job has there.
    after
        Id of a job that must have ended, however, before this one starts; empty for none.
    scratch
        A folder of this host that goes with the job, where the job runs on this host.
    nodes
        How many nodes it has, each on a host of its own; what it asks for is for each of them.
    count
        The members of an array; 1 is none. They have one node each.
    """

    name: str
    tag: str
    command: Sequence[str]
    log: Path
    description: PilotDescription
    kind: NodeKind
    site: Site
    environment: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    scratch: Path | None = None
    nodes: int = 1
    count: int = 1


def member(name: str, index: int) -> str:
    """The name of an array's member of that index, from 0, where the first one's is `name`: a node's, or its job's."""
    stem, _, number = name.rpartition("-")
    return f"{stem}-{int(number) + index}" if number.isdecimal() else name


def node_command(arguments: Sequence[str], site: Site) -> list[str]:
    """The command line of a node."""
    return [site.python or sys.executable, "-m", "pilothouse.pilots.node.node", *arguments]


@dataclass(frozen=True)
class JobStatus:
    """What the batch system says of a job.

    Attributes
    ----------
    state
        ``pending``, ``starting`` (it has its host, which is being booted), ``running``, ``finished`` or ``failed``.
    reason
        Why it waits, or how it ended, in the batch system's words.
    tag
        The job's name; of a member of an array, what :func:`member` makes of it.
    host
        Where it runs.
    expected_start, ends
        When it should start; when its walltime is over. UTC.
    submitted
        When it was submitted (UTC); None where that is not said.
    exit_code
        Of an ended one, where known; negative: the signal.
    """

    state: State
    reason: str = ""
    host: str = ""
    pid: int = 0
    tag: str = ""
    expected_start: datetime | None = None
    ends: datetime | None = None
    exit_code: int | None = None
    submitted: datetime | None = None


class Queue(Protocol):
    """A batch system. Made with its :class:`~pilothouse.pilots.sites.site.Site`; no method blocks the event loop.

    Every method raises :class:`~pilothouse.errors.Unavailable` when the batch system does not answer, within the
    site's ``timeout``: that never means that jobs are gone. Registered as an entry point of the group
    ``pilothouse.queues``; the name is the site's ``system``.
    """

    def script(self, job: Job) -> str:
        """The job script that :meth:`submit` hands over."""

    async def submit(self, job: Job) -> str:
        """Hand the job over and return the batch system's id for it.

        Raises
        ------
        Refused
            The batch system said no; the message has its own words.
        """

    async def poll(self) -> dict[str, JobStatus]:
        """The state of all jobs of the user that the batch system lists, by id: one command, however many jobs."""

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """How these jobs ended, which :meth:`poll` no longer lists; without those of which nothing is known (yet)."""

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """End these jobs, within `grace` seconds by their own hand; ended or unknown ones are no error."""

    async def limits(self) -> list[QueueLimits]:
        """The batch system's queues, and what a job in each may have."""

    async def estimate(self, job: Job) -> datetime | None:
        """When the job would start if it were submitted now (UTC); None when the batch system can't tell."""


@runtime_checkable
class Lent(Protocol):
    """What a queue tells besides whose places are lent: others make them and take them away, with what is there.

    A pilot then has a node for each place, and nothing replaces one that went with its place.

    Attributes
    ----------
    places
        How many nodes the pilot is to have; one, which waits, where there is no place; None while that is not known.
    gone
        Why it has gone for good, as far as can be told from outside; empty while it has not.
    """

    @property
    def places(self) -> int | None: ...  # noqa: D102

    @property
    def gone(self) -> str: ...  # noqa: D102


@runtime_checkable
class KnowsInterface(Protocol):
    """A :class:`Queue` that knows where its nodes listen."""

    async def interface(self) -> str:
        """The network interface of this host that all nodes are behind, where others can't reach it; empty for none."""


@runtime_checkable
class TakesArrays(Protocol):
    """A :class:`Queue` that takes many equal jobs at once; the others are given them one by one.

    In everything else a member of an array is a job like others: with an id of its own, a state, an end.
    """

    async def submit_array(self, job: Job) -> list[str]:
        """Hand over the ``job.count`` jobs, two or more, with one command; their ids, in the order of their numbers.

        Raises
        ------
        Refused
            The batch system said no to all of them; the message has its own words.
        """


def arrays_of(queue: Queue, site: Site) -> TakesArrays | None:
    """`queue`, where it takes arrays and the site wants them; jobs of several nodes are submitted one by one."""
    return queue if site.job_arrays and site.nodes_per_job == 1 and isinstance(queue, TakesArrays) else None
