"""The set-point of nodes: submit what is missing, replace what fails, drain what is too much."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilothouse.pilots.journal import Journal, tail
from pilothouse.pilots.queues.protocols import ONE_BLAS_THREAD, Job, Queue
from pilothouse.pilots.records import NodeRecord, PilotRecord, State
from pilothouse.pilots.run_host import NodeHost
from pilothouse.state import utcnow

#: After this many failures in a row without a node that came up, the pilot stops trying.
LIMIT = 5
#: Seconds that a node may take from the start of its job to its connection.
CONNECT_S = 60.0


class Nodes:
    """A pilot's nodes."""

    def __init__(
        self,
        record: PilotRecord,
        queue: Queue,
        journal: Journal,
        folder: Path,
        scratch: Path,
        tls: dict[str, str],
        changed: Callable[[], None],
    ) -> None:
        self._record = record
        self._queue = queue
        self._journal = journal
        self._folder = folder
        self._scratch = scratch
        self._tls = tls
        self._changed = changed
        self._numbers = itertools.count(1)
        self._failures = 0
        self._not_before = 0.0
        self._draining: set[asyncio.Task[None]] = set()
        self._scheduler: Any = None
        self.exhausted = ""

    def watch(self, scheduler: Any, host: NodeHost) -> None:
        """Learn from the scheduler which workers come and go."""
        from distributed.diagnostics.plugin import SchedulerPlugin

        nodes = self

        class Watcher(SchedulerPlugin):  # type: ignore[misc,unused-ignore]
            name = "pilothouse-nodes"

            def add_worker(self, scheduler: Any, worker: str) -> None:
                nodes.connected(str(scheduler.workers[worker].name), worker)

            def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
                node = next((n for n in nodes._record.nodes if n.address == worker), None)
                if node is not None:
                    host.node_gone(node.name)

        self._scheduler = scheduler
        scheduler.add_plugin(Watcher())
        for worker in scheduler.workers.values():
            self.connected(str(worker.name), worker.address)

    def connected(self, name: str, address: str) -> None:
        """The worker of node `name` is there."""
        for node in self._record.nodes:
            if node.name == name and node.state in (State.PENDING, State.STARTING):
                self._failures = 0
                node.address = address
                self._set(node, State.RUNNING, "")

    def reset_limit(self) -> None:
        """The user changed the set-point: try again."""
        self._failures, self._not_before, self.exhausted = 0, 0.0, ""

    async def keep(self) -> None:
        """Compare what is wanted, what the batch system has and what is connected; act on the difference."""
        record = self._record
        statuses = await self._queue.poll([node.job for node in record.nodes if not node.state.ended])
        for node in list(record.nodes):
            status = statuses.get(node.job)
            if status is None or node.state.ended:
                continue
            node.host, node.pid = status.host or node.host, status.pid or node.pid
            if status.state.ended and node.state is not State.DRAINING:
                self._fail(node, status.reason)
            elif node.state is State.STARTING and node.since and (utcnow() - node.since).total_seconds() > CONNECT_S:
                await self._queue.cancel([node.job], grace=0.5)
                self._fail(node, f"its worker did not connect within {CONNECT_S:.0f} s")
            elif node.state is State.PENDING and status.state is State.RUNNING:
                self._set(node, State.STARTING, "")
        active = [node for node in record.nodes if node.state in (State.PENDING, State.STARTING, State.RUNNING)]
        missing = record.nodes_wanted - len(active)
        if missing > 0 and not self.exhausted and time.monotonic() >= self._not_before:
            for _ in range(missing):
                await self._submit()
        elif missing < 0:
            order = {State.PENDING: 0, State.STARTING: 1, State.RUNNING: 2}
            latest_first = active[::-1]
            for node in sorted(latest_first, key=lambda node: order[node.state])[:-missing]:
                self._set(node, State.DRAINING, "shrunk")
                task = asyncio.create_task(self._drain(node))
                self._draining.add(task)
                task.add_done_callback(self._draining.discard)

    async def cancel_all(self) -> None:
        """End every node."""
        for task in self._draining:
            task.cancel()
        await self._queue.cancel([node.job for node in self._record.nodes])
        for node in self._record.nodes:
            if not node.state.ended:
                node.state, node.reason, node.since = State.FINISHED, "the pilot ended", utcnow()

    def log(self, name: str) -> Path:
        """The file with what the node printed."""
        return self._folder / f"{name}.log"

    async def _submit(self) -> None:
        record = self._record
        taken = {node.name for node in record.nodes}
        name = next(name for i in self._numbers if (name := f"{record.name}-{i}") not in taken)
        description = record.description
        scratch = self._scratch / name
        arguments = [
            "--name", name, "--host", "127.0.0.1", "--scratch", str(scratch),
            "--scheduler-file", str(self._folder / "scheduler.json"),
            "--tls-cert", self._tls["tls_cert"], "--tls-key", self._tls["tls_key"],
            "--cores", str(description["cores"]), "--memory", str(description["memory"]),
        ]  # fmt: skip
        # Temporary files go with the node, whatever ends it.
        environment = {**ONE_BLAS_THREAD, "TMPDIR": str(scratch)}
        node = NodeRecord(name=name, since=utcnow())
        node.job = await self._queue.submit(Job(name, arguments, self.log(name), scratch, environment))
        if status := (await self._queue.poll([node.job])).get(node.job):
            node.host, node.pid = status.host, status.pid
        record.nodes.append(node)
        self._journal.add("node submitted", node=name, job=node.job)
        self._changed_nodes()

    async def _drain(self, node: NodeRecord) -> None:
        if node.address and self._scheduler is not None:
            await self._scheduler.retire_workers(names=[node.name], close_workers=False)
        await self._queue.cancel([node.job])
        self._set(node, State.FINISHED, "shrunk")

    def _fail(self, node: NodeRecord, why: str) -> None:
        came_up = node.state is State.RUNNING
        last = tail(self.log(node.name), 3)
        self._set(node, State.FAILED, "\n".join(part for part in (why, last) if part))
        self._failures = 0 if came_up else self._failures + 1
        self._not_before = time.monotonic() + (0.0 if came_up else min(2.0 ** (self._failures - 1), 60.0))
        if self._failures >= LIMIT:
            self.exhausted = f"{self._failures} nodes failed in a row, the last one: {node.reason}"
            self._journal.add("gave up", reason=self.exhausted)

    def _set(self, node: NodeRecord, state: State, reason: str) -> None:
        node.state, node.reason, node.since = state, reason, utcnow()
        self._journal.add(f"node {state.value}", node=node.name, reason=reason)
        self._changed_nodes()

    def _changed_nodes(self) -> None:
        ended = [node for node in self._record.nodes if node.state.ended]
        for node in ended[:-5]:  # the last few ended ones stay in view
            self._record.nodes.remove(node)
        self._changed()
