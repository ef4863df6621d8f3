"""The nodes of one job: what one of them means for the others, and what is known of each beside the job's own state."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.queues.several_hosts import process_of
from pilothouse.registry.records import NodeRecord, PilotRecord, State

#: Seconds that the batch system has to say that a job has ended of which a node has: mostly, both have the same cause.
JOB_S = 1.5


def by_job(nodes: Iterable[NodeRecord]) -> list[list[NodeRecord]]:
    """These nodes, those of one job together, in the order of the first of each."""
    found: dict[str, list[NodeRecord]] = {}
    for node in nodes:
        found.setdefault(node.first, []).append(node)
    return list(found.values())


def together(record: PilotRecord, node: NodeRecord) -> list[NodeRecord]:
    """The node, and those that share its job, as far as they are in view."""
    return [each for each in record.nodes if each.first == node.first]


def came_up(record: PilotRecord, node: NodeRecord) -> bool:
    """Whether the workers of all nodes of its job have been there."""
    return all(each.connected for each in together(record, node))


def fitting(jobs: Iterable[Sequence[NodeRecord]], most: int) -> list[NodeRecord]:
    """The nodes of the first of these jobs that have so many together at most."""
    found: list[NodeRecord] = []
    for job in jobs:
        if len(found) + len(job) <= most:
            found += job
    return found


def broken(nodes: Iterable[NodeRecord], size: int, active: Collection[State]) -> list[NodeRecord]:
    """The nodes that stay of jobs that have lost one, or have one that leaves: such jobs are replaced as a whole.

    Parameters
    ----------
    size
        How many nodes a job has.
    active
        The states of nodes that have not been lost.
    """
    if size == 1:
        return []
    stay = (node for node in nodes if node.role == "node" and node.state in active and not node.leaving)
    return [node for job in by_job(stay) if len(job) < size for node in job]


class Processes:
    """Where nodes are, and how their processes end: the batch system says so, except where several have one job.

    Parameters
    ----------
    size
        How many nodes a job has.
    folder
        The pilot's own.
    look
        Called to have the batch system asked at once.
    """

    def __init__(self, size: int, folder: Path, look: Callable[[], None]) -> None:
        self._size, self._folder, self._look = size, folder, look
        self._ended: dict[str, float] = {}

    def learn(self, node: NodeRecord, status: JobStatus) -> None:
        """The batch system has said this of the node's job."""
        if self._size > 1:
            if status.state.ended or (status.state is State.RUNNING and not node.host):
                self._read(node)
            return
        node.host, node.pid = status.host or node.host, status.pid or node.pid
        if status.state.ended:
            cut_off = status.state is State.FAILED and status.exit_code == 0  # so batch systems write of those
            node.exit_code = None if cut_off else status.exit_code

    def has_ended(self, node: NodeRecord) -> bool:
        """Whether the process of a node that is not connected has ended, and its job, by what is known, has not."""
        if self._size == 1:
            return False
        self._read(node)
        if node.exit_code is None:
            return False
        if node.name not in self._ended:
            self._ended[node.name] = time.monotonic()
            self._look()
        return time.monotonic() - self._ended[node.name] > JOB_S

    def _read(self, node: NodeRecord) -> None:
        host, code = process_of(self._folder, node.name)
        node.host, node.exit_code = host or node.host, code
