"""A pilot's set-point beside a batch system that does as told; for the tests of all that it decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from pilothouse.pilots.queues.discovery import local_site
from pilothouse.pilots.queues.jobs import node_job
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.supervisor.set_point import Nodes
from pilothouse.registry.journal import Journal
from pilothouse.registry.records import PILOTS, PilotRecord, State
from pilothouse.state import utcnow


class FakeQueue:
    """A batch system whose jobs begin and end when the test says so; it answers at once (an Asking, too)."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobStatus] = {}
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.lasting: set[str] = set()
        self.error: Exception | None = None
        self.then_error: Exception | None = None

    def script(self, job: Job) -> str:
        return job.name

    async def submit(self, job: Job) -> str:
        self.submitted.append(job.name)
        if self.error is not None:
            raise self.error
        number = str(len(self.submitted))
        self.jobs[number] = JobStatus(State.PENDING, "Priority", tag=job.tag)
        if self.then_error is not None:
            raise self.then_error
        return number

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        self.cancelled += ids

    async def statuses(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        return dict(self.jobs)

    async def poll(self) -> dict[str, JobStatus]:
        return dict(self.jobs)

    async def gone(self, ids: Sequence[str], timeout: float) -> list[str]:  # noqa: ASYNC109 - the protocol's
        await asyncio.sleep(0)
        return [job for job in ids if job in self.lasting]

    def expect_change(self) -> None:
        """It shows at once."""

    look_now = expect_change


class Clock:
    """Seconds of a monotonic clock."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Bench:
    """A pilot called ``p`` of `wanted` nodes, and its batch system."""

    def __init__(
        self,
        wanted: int,
        queue: FakeQueue | None = None,
        site: Mapping[str, object] | None = None,
        **description: object,
    ) -> None:
        self.queue = queue or FakeQueue()
        self.record = PilotRecord(
            name="p",
            site="local",
            created=utcnow(),
            description={"nodes": wanted, "lease": 3600, **description},
            settings=local_site().model_dump(mode="json") | (site or {}),
            nodes_wanted=wanted,
            wanted={"node": wanted},
        )
        folder = PILOTS.folder("p")
        self.journal = Journal(folder / "events.jsonl")
        self.nodes = Nodes(
            self.record, self.queue, self.queue, self.journal, folder,  # type: ignore[arg-type]
            lambda node, kind: node_job(self.record, node, kind), lambda *_: None, lambda: None,
        )  # fmt: skip

    async def keep(self) -> None:
        await self.nodes.keep()
        await asyncio.sleep(0)

    def connect(self, *names: str) -> None:
        for name in names:
            self.nodes.connected(name, f"tls://{name}")

    def end(self, name: str, reason: str = "failed, exit code 1") -> None:
        job = next(node.job for node in self.record.nodes if node.name == name)
        self.queue.jobs[job] = JobStatus(State.FAILED, reason, exit_code=1)

    def states(self) -> dict[str, str]:
        return {node.name: node.state.value for node in self.record.nodes}

    def events(self, what: str) -> list[dict[str, Any]]:
        return [event for event in self.journal.read() if event["what"] == what]


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(steps())
