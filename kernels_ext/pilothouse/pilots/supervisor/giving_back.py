"""Giving nodes back: what is on one is taken away first, then its job is ended, and nothing is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.pilots.queues.polling import Asking
from pilothouse.pilots.queues.protocols import Queue
from pilothouse.pilots.supervisor.departing import END_S, LOOK_S, Departing
from pilothouse.pilots.supervisor.node_book import NodeBook
from pilothouse.pilots.supervisor.same_job import together
from pilothouse.registry.journal import Journal
from pilothouse.registry.naming import tag
from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.runs.processes import NodeHost
from pilothouse.state import utcnow

logger = logging.getLogger(__name__)


class GivingBack:
    """The jobs of a pilot that are ended, and what has to be done before and after that."""

    def __init__(self, record: PilotRecord, queue: Queue, asking: Asking, journal: Journal, book: NodeBook) -> None:
        self._record, self._queue, self._asking, self._journal, self._book = record, queue, asking, journal, book
        self._going: set[asyncio.Task[None]] = set()
        self._cancelled: set[str] = set()
        self._emptied: set[str] = set()
        self._told: dict[str, asyncio.Event] = {}
        self._unheard: set[str] = set()
        self._departing: Departing | None = None

    def watch(self, scheduler: Any, host: NodeHost) -> None:
        """From now on there is something on nodes to be taken away."""
        self._departing = Departing(scheduler, host, self._asking)

    def busy(self, names: Iterable[str]) -> set[str]:
        """Those of these nodes on which somebody works."""
        return self._departing.busy(names) if self._departing is not None else set()

    def drain(self, node: NodeRecord, why: str, seconds: float) -> None:
        """Have the node emptied within so many seconds, then end its job."""
        self._book.mark(node, State.DRAINING, why)
        self._announce(node)
        self._spawn(self._drain(node, why, seconds))

    async def _drain(self, node: NodeRecord, why: str, seconds: float) -> None:
        await self._empty(node, seconds)
        self._asking.expect_change()
        await self._bury(node)
        self._book.end(node, State.FINISHED, why)

    def dismiss(self, node: NodeRecord, seconds: float) -> None:
        """Have the node emptied whose job others end in so many seconds."""
        self._announce(node)
        self._spawn(self._dismiss(node, seconds))

    async def _dismiss(self, node: NodeRecord, seconds: float) -> None:
        await self._empty(node, seconds)
        self._asking.look_now()

    def bury(self, node: NodeRecord) -> None:
        """Have the job ended of a node that is good for nothing; if it once came up, something may go on there."""
        if node.connected is not None:
            self._unheard.add(node.name)
        self._spawn(self._bury(node))

    def is_unheard(self, node: NodeRecord) -> bool:
        """Whether the job of a node is being ended on which something may go on that is not heard of."""
        return node.name in self._unheard

    async def _bury(self, node: NodeRecord) -> None:
        """End the node's job, when all its other nodes are empty too, and wait until nothing is left of it."""
        self._emptied.add(node.name)
        while self._has_full(node):  # noqa: ASYNC110 - one may end by itself, too
            await asyncio.sleep(LOOK_S)
        if node.first not in self._told:
            self._told[node.first] = asyncio.Event()
            await self._cancel(node.job)
            self._told[node.first].set()
        await self._told[node.first].wait()
        if self._departing is not None:
            await self._departing.gone(node, lambda: self._goes_on(node), unheard=node.name in self._unheard)
        self._unheard.discard(node.name)

    def _goes_on(self, node: NodeRecord) -> None:
        """Say that the node's job does not end: what was on it can't begin elsewhere."""
        self._journal.add("node's job goes on", node=node.name, job=node.job, seconds=END_S)
        told = f"its job {node.job} was told to end and has not for {END_S:g} s"
        if told not in node.reason:
            self._book.mark(node, node.state, f"{node.reason}; {told}")

    def _has_full(self, node: NodeRecord) -> bool:
        """Whether another node of its job goes on, and is not empty."""
        return any(not each.state.ended and each.name not in self._emptied for each in together(self._record, node))

    def end_orphan(self, job: str) -> None:
        """End a job that no node has; it is told to once."""
        if job not in self._cancelled:
            self._cancelled.add(job)
            self._journal.add("orphan ended", job=job)
            self._spawn(self._cancel(job))

    async def release(self, node: NodeRecord) -> None:
        """Nothing on the node is needed any more: it ends at once when it is told to."""
        await self._empty(node, 0.0)

    def died(self, node: NodeRecord) -> None:
        """The node's processes, all of them, have ended."""
        if self._departing is not None:
            self._departing.ended(node)

    def _announce(self, node: NodeRecord) -> None:
        if self._departing is not None:
            self._departing.announce(node)

    async def _empty(self, node: NodeRecord, seconds: float) -> None:
        if self._departing is not None:
            await self._departing.empty(node, seconds, more=self._record.nodes_wanted > 0)

    async def _cancel(self, job: str) -> None:
        """End the job, however long the batch system is out of reach."""
        self._cancelled.add(job)
        pause = 1.0
        while job:
            try:
                await self._queue.cancel([job])
            except PilothouseError as error:
                logger.warning("%s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60.0)
            else:
                return

    async def cancel_all(self) -> str:
        """End every node and every job of ours; returns when the batch system has let them go, or after seconds.

        Returns
        -------
        str
            What to add to the reason of the pilot's end: which jobs may be left, and why; empty when it ends all.
        """
        for task in list(self._going):
            task.cancel()
        for node in list(self._record.nodes):
            await self.release(node)
        jobs = [node.job for node in self._record.nodes if node.job and node.role != "first" and not node.state.ended]
        jobs += [node.job for node in self._record.nodes if node.state is State.DRAINING and node.job not in jobs]
        try:
            jobs += await self._unanswered()
            jobs = list(dict.fromkeys(jobs))
            await self._queue.cancel(jobs)
        except (PilothouseError, OSError) as error:
            trouble = str(error)
            self._journal.add("trouble", reason=trouble, jobs=jobs)
        else:
            with contextlib.suppress(PilothouseError, OSError):  # they were told
                await self._asking.gone(jobs, timeout=10.0)
            jobs, trouble = [], ""
        left = [node for node in self._record.nodes if node.job in jobs]
        for node in list(self._record.nodes):
            if not node.state.ended and node not in left:
                self._book.end(node, State.FINISHED, "the pilot ended")
        for node in left:  # not by the book, which keeps a few of those that have ended
            node.state, node.ended, node.reason = State.LOST, utcnow(), f"its job may be left: {trouble}"
        if not jobs:
            return ""
        name = self._record.name
        return (
            f"; its jobs ({', '.join(jobs)}) may be left, for they could not be ended: {trouble}; "
            f"ph.attach({name!r}).cancel() or ph.sweep() tells them again"
        )

    async def _unanswered(self) -> list[str]:
        """Jobs in the queue of nodes whose submission was not answered."""
        tags = {tag(node.first) for node in self._record.nodes if not node.job and not node.state.ended}
        found = await self._queue.poll() if tags else {}
        return [job for job, status in found.items() if status.tag in tags and not status.state.ended]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
