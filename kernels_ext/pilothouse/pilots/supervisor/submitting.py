"""Submitting nodes: records first, then jobs, a few side by side, and not for long: others are to be heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.jobs import keep_script
from pilothouse.pilots.queues.polling import Asking
from pilothouse.pilots.queues.protocols import Job, Queue
from pilothouse.pilots.sites.description import NodeKind
from pilothouse.pilots.sites.site import Site
from pilothouse.pilots.supervisor.same_job import by_job
from pilothouse.registry.journal import Journal
from pilothouse.registry.records import NodeRecord, PilotRecord
from pilothouse.state import utcnow

#: How many jobs are submitted side by side.
AT_ONCE = 4
#: Seconds after which no more are begun, so that the set-point is looked at again, and whether the pilot is to end.
SLICE_S = 1.0


class Submitting:
    """How a pilot gets nodes.

    Parameters
    ----------
    make_job
        From the record of a node, the first one of its job, and its kind to the job to submit.
    accepted
        Called when the batch system has taken a job.
    changed
        Called when the record should be written; with True, before it returns.
    """

    def __init__(
        self,
        record: PilotRecord,
        queue: Queue,
        asking: Asking,
        journal: Journal,
        make_job: Callable[[NodeRecord, NodeKind], Job],
        accepted: Callable[[], None],
        changed: Callable[..., None],
    ) -> None:
        self._record, self._queue, self._asking, self._journal = record, queue, asking, journal
        self._make_job, self._accepted, self._changed = make_job, accepted, changed
        self._size = Site.model_validate(record.settings).nodes_per_job

    async def slice(self, kind: str, asked: NodeKind, missing: int, at_once: int = AT_ONCE) -> int:
        """Submit `missing` nodes in whole jobs, or as many as a moment allows; how many are left to submit.

        Raises
        ------
        Refused
            The batch system said no to one; nothing is left of that. Others may have been accepted.
        Unavailable
            It did not answer, so a job may be in the queue; or the record can't be written, and nothing was submitted.
        """
        until = time.monotonic() + SLICE_S
        while missing and time.monotonic() < until:
            jobs = min(-(-missing // self._size), at_once)
            await self._some(kind, asked, jobs)
            missing = max(missing - jobs * self._size, 0)
        return missing

    async def _some(self, kind: str, asked: NodeKind, number: int) -> None:
        fresh = by_job(self._write_down(kind, asked, number * self._size))
        found = await asyncio.gather(*(self._submit(nodes, asked) for nodes in fresh), return_exceptions=True)
        errors = []
        for nodes, error in zip(fresh, found, strict=True):
            if error is None:
                continue
            errors.append(error)
            for node in nodes:
                node.reason = str(error)
                if not isinstance(error, Unavailable):  # else it may be in the queue: the next poll tells
                    self._record.nodes.remove(node)
        if errors:
            self._changed()
            raise next((error for error in errors if not isinstance(error, Refused)), errors[0])

    def _write_down(self, kind: str, asked: NodeKind, number: int) -> list[NodeRecord]:
        """Records of nodes that are to be: a job must never be without one, and where it can't be written is no job."""
        record, now, first = self._record, utcnow(), self._record.next_node
        fresh = [
            NodeRecord(
                name=f"{record.name}-{first + i}", kind=kind, cores=asked.cores or 1, gpus=asked.gpus or 0,
                rank=i % self._size, since=now, submitted=now,
            )
            for i in range(number)
        ]  # fmt: skip
        record.next_node = first + number
        record.nodes += fresh
        try:
            self._changed(True)
        except BaseException:
            record.next_node = first
            del record.nodes[-number:]
            raise
        return fresh

    async def _submit(self, nodes: Sequence[NodeRecord], asked: NodeKind) -> None:
        job = self._make_job(nodes[0], asked)
        keep_script(self._record, job, self._queue.script(job))
        self._asking.expect_change()
        for node in nodes:
            node.submitted = node.since = utcnow()
        number = await self._queue.submit(job)
        self._accepted()
        for node in nodes:
            node.job = number
            self._journal.add("node submitted", node=node.name, job=number)
