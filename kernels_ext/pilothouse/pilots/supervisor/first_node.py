"""Placement "job": the supervisor lives in a batch job, with a node beside it, and a successor waiting behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

from pilothouse.errors import NotFound, PilothouseError
from pilothouse.pilots.node.node import after_death
from pilothouse.pilots.queues.jobs import keep_script, node_arguments, supervisor_job
from pilothouse.pilots.queues.protocols import JobStatus, node_command
from pilothouse.registry.records import NodeRecord, State
from pilothouse.state import utcnow

if TYPE_CHECKING:
    from pilothouse.pilots.supervisor.owner import Supervisor

#: So many starts in a row may fail of a node that has been there; then it is given up.
STARTS = 5


class FirstNode:
    """The node in the supervisor's own job, and the job that takes over when this one ends.

    Attributes
    ----------
    successor
        The record of the job that waits for the end of this one; None while there is none.
    handing_over
        Set when this job ends while the pilot goes on.
    """

    def __init__(self, supervisor: Supervisor, name: str) -> None:
        self._supervisor = supervisor
        self._record = supervisor.record
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._failures = 0
        self.handing_over = False
        found = [node for node in self._record.nodes if node.name == name]
        if not found:
            raise NotFound(f"the pilot {self._record.name!r} has no node {name!r}", field="name")
        self.node = found[0]
        if self.node.role == "successor":
            self._record.generation += 1
            self._record.state, self._record.ended = State.STARTING, None
        self.node.role = "first"

    @property
    def successor(self) -> NodeRecord | None:
        """The job that takes over."""
        waiting = [node for node in self._record.nodes if node.role == "successor" and not node.state.ended]
        return waiting[0] if waiting else None

    async def start(self) -> None:
        """Start the node beside the supervisor, and again when it dies, as long as the job is there."""
        await self._launch()
        self._watching = asyncio.create_task(self._watch())

    async def _launch(self) -> None:
        self.node.role, self.node.exit_code = "first", None
        self.node.state, self.node.since = State.STARTING, utcnow()
        self.node.started = self.node.started or utcnow()
        kind = self._supervisor.nodes.description.kind(self.node.kind)
        command = node_command(node_arguments(self._record, self.node.name, kind), self._supervisor.site)
        with self._supervisor.nodes.book.log(self.node.name).open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    async def _watch(self) -> None:
        """Start a dead node again in its own job, which goes on; one that never came up has failed, as others have."""
        nodes, ending = self._supervisor.nodes, self._supervisor.ending
        while self._process is not None:
            begun = self.node.since
            self.node.exit_code = await self._process.wait()
            why = f"its process ended with {self.node.exit_code}"
            if ending.is_set() or self.node.state.ended:
                return
            await after_death(self.node.name, self._process.pid)
            nodes.giving_back.died(self.node)
            self._failures = 0 if self.node.since != begun else self._failures + 1
            never = nodes.description.replace == "never" or self.node.connected is None
            if never or self._failures >= STARTS:
                nodes.failed(self.node, JobStatus(State.FAILED, why))
                return
            nodes.book.mark(self.node, State.STARTING, f"{why}; it is started again")
            await asyncio.sleep(2.0**self._failures)
            if ending.is_set():  # the job was told to end: its processes heard of it at the same time
                return
            await self._launch()

    async def keep(self) -> None:
        """See to it that a successor waits, as long as the lease is longer than this job."""
        record = self._record
        if self.node.state.ended:  # it was given up while its process went on
            await self.stop()
        if self.successor is not None or self._supervisor.ending.is_set() or not self.node.job:
            return
        if self.node.ends is None or record.lease_end is None:
            return
        if record.lease_end < self.node.ends + timedelta(seconds=60):
            return
        kind = self._supervisor.nodes.description.kind(self.node.kind)
        name = f"{record.name}-{record.next_node}"
        record.next_node += 1
        node = NodeRecord(name=name, role="successor", submitted=utcnow(), since=utcnow(), cores=kind.cores or 1)
        record.nodes.append(node)
        try:
            self._supervisor.changed(True)
            job, queue = supervisor_job(record, node, kind, after=self.node.job), self._supervisor.queue
            keep_script(record, job, queue.script(job))
            node.job = await queue.submit(job)
        except PilothouseError:
            record.nodes.remove(node)
            raise
        self._supervisor.journal.add("successor submitted", node=name, job=node.job)
        self._supervisor.changed()

    async def stop(self) -> None:
        """End the node beside the supervisor."""
        if self._watching is not None:
            self._watching.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        await self._supervisor.nodes.giving_back.release(self.node)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await process.wait()
            os.killpg(process.pid, signal.SIGKILL)

    async def hand_over(self) -> None:
        """Leave everything as it is for the successor."""
        record, supervisor = self._record, self._supervisor
        if supervisor.scheduler is not None:
            await supervisor.runs.hand_over()
        await self.stop()
        shutil.rmtree(supervisor.scratch, ignore_errors=True)
        successor = self.successor
        supervisor.nodes.book.end(self.node, State.FINISHED, "its job was told to end; the supervisor moves on")
        record.supervisor, record.control, record.scheduler, record.dashboard = None, "", "", ""
        record.state = State.PENDING
        record.reason = f"job {successor.job if successor else ''} takes over"
        supervisor.journal.add("handed over", to=successor.job if successor else "")
        with contextlib.suppress(PilothouseError):  # a full home: the successor takes over what was written before
            supervisor.changed(True)
