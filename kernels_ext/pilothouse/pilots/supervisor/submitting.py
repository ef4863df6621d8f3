"""Submitting nodes: records first, then jobs, many with one command, and not for long: others are to be heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.jobs import keep_script
from pilothouse.pilots.queues.polling import Asking
from pilothouse.pilots.queues.protocols import Job, Queue, arrays_of
from pilothouse.pilots.sites.description import NodeKind
from pilothouse.pilots.sites.site import Site
from pilothouse.pilots.supervisor.array_sizes import ArraySizes
from pilothouse.registry.journal import Journal
from pilothouse.registry.records import NodeRecord, PilotRecord
from pilothouse.state import utcnow

#: How many jobs are submitted side by side, where there are no arrays.
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
        site = Site.model_validate(record.settings)
        self._size, self._arrays, self._sizes = site.nodes_per_job, arrays_of(queue, site), ArraySizes()

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
            if self._arrays is not None and self._sizes.most > 1:
                missing -= await self._together(kind, asked, min(missing, self._sizes.next))
            else:
                jobs = min(-(-missing // self._size), at_once)
                await self._some(kind, asked, [self._size] * jobs)
                missing = max(missing - jobs * self._size, 0)
        return missing

    async def _together(self, kind: str, asked: NodeKind, number: int) -> int:
        """Submit so many with one command; how many that were: none where so many are refused, and fewer may not be."""
        try:
            await self._some(kind, asked, [number])
        except Refused as error:
            self._sizes.refused(number)
            if number == 1:
                raise
            self._journal.add("refused", reason=str(error), nodes=number)
            return 0
        self._sizes.accepted(number)
        return number

    async def _some(self, kind: str, asked: NodeKind, counts: Sequence[int]) -> None:
        """Submit jobs side by side, each of so many nodes."""
        fresh = iter(self._write_down(kind, asked, sum(counts)))
        jobs = [[next(fresh) for _ in range(count)] for count in counts]
        found = await asyncio.gather(*(self._submit(nodes, asked) for nodes in jobs), return_exceptions=True)
        errors = []
        for nodes, error in zip(jobs, found, strict=True):
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
        if self._size == 1:
            job = replace(job, count=len(nodes))
        keep_script(self._record, job, self._queue.script(job))
        self._asking.expect_change()
        now = utcnow()
        for node in nodes:
            node.submitted = node.since = now
        if self._arrays is not None and job.count > 1:
            ids = await self._arrays.submit_array(job)
        else:
            ids = [await self._queue.submit(job)] * len(nodes)
        self._accepted()
        for node, number in zip(nodes, ids, strict=True):
            node.job = number
            self._journal.add("node submitted", node=node.name, job=number)
