"""A whole supervisor in this process, beside a batch system that does as told: it is heard first, and always ends."""

from __future__ import annotations

import asyncio
import shutil
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.errors import Conflict, InvalidInput, Refused, Unavailable
from pilothouse.pilots.queues.discovery import local_site
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.supervisor import submitting, writing
from pilothouse.pilots.supervisor.owner import Supervisor
from pilothouse.registry.line import client as control
from pilothouse.registry.naming import tag
from pilothouse.registry.records import PILOTS, PilotRecord, State
from pilothouse.state import utcnow
from tests.unit.conftest import Disk
from tests.unit.pilots.fake_commands import FakeCommands
from tests.waiting import eventually_async


class SlowQueue:
    """A batch system whose jobs all wait, and which takes its time for each."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.jobs: dict[str, JobStatus] = {}
        self.now = self.most = 0

    def script(self, job: Job) -> str:
        return job.name

    async def submit(self, job: Job) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        self.now -= 1
        number = str(len(self.jobs) + 1)
        self.jobs[number] = JobStatus(State.PENDING, "Priority", tag=job.tag)
        return number

    async def poll(self) -> dict[str, JobStatus]:
        return dict(self.jobs)

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        return {}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        for job in ids:
            self.jobs[job] = JobStatus(State.FAILED, "cancelled")

    def waiting(self) -> int:
        return sum(not status.state.ended for status in self.jobs.values())


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A supervisor listens to them; afterwards they are the tests' again."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@asynccontextmanager
async def supervised(queue: SlowQueue, nodes: int = 1) -> AsyncIterator[Supervisor]:
    """The supervisor of a pilot called ``p``, which has ended when the test has."""
    settings = local_site().model_copy(update={"nodes": None}).model_dump(mode="json")
    description = {"nodes": nodes, "memory": 2**28, "lease": 3600, "idle_timeout": 1800}
    PILOTS.create(
        PilotRecord(
            name="p", site="local", created=utcnow(), description=description, settings=settings,
            nodes_wanted=nodes, wanted={"node": nodes},
        )
    )  # fmt: skip
    supervisor = Supervisor(PILOTS.read("p"), queue)  # type: ignore[arg-type]
    running = asyncio.create_task(supervisor.run())
    try:
        await eventually_async(lambda: PILOTS.read("p").answers or running.done(), "a line")
        yield supervisor
    finally:
        supervisor.end(State.FINISHED, "the test is over")
        await running


async def ask(op: str, **arguments: Any) -> Any:
    """As a client does."""
    return (await asyncio.to_thread(control.call, PILOTS.read("p"), op, **arguments))[0]


def test_it_is_heard_while_it_submits_and_stops_within_a_slice(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "SLICE_S", 0.1)

    async def steps() -> None:
        queue = SlowQueue(0.05)
        async with supervised(queue, nodes=80) as supervisor:
            with pytest.raises(InvalidInput, match=r"nodes=100080: .*10000"):
                await ask("scale", by=100_000)
            with pytest.raises(InvalidInput, match=r"maximum=100000: .* has 1 to 10000 nodes"):
                await ask("adapt", minimum=0, maximum=100_000)
            assert await ask("scale", nodes=20) == 20
            assert len(queue.jobs) < 80, "it was heard before all jobs were submitted"
            await eventually_async(lambda: queue.waiting() == 20, "as many jobs as are wanted now")
            await ask("scale", nodes=80)
            await ask("cancel")
            with pytest.raises((Conflict, Unavailable)):
                await ask("scale", nodes=3)
            await eventually_async(lambda: PILOTS.read("p").state.ended, "the end")
            assert queue.most == submitting.AT_ONCE
            assert len(queue.jobs) < 70
            assert not queue.waiting(), "nothing stays in the queue"
            assert (supervisor.record.state, supervisor.record.reason) == (State.FINISHED, "cancelled")

    asyncio.run(steps())


def test_in_a_full_home_what_is_refused_is_not_done_and_everything_ends(
    state_home: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "AGAIN_S", 0.05)

    async def steps() -> None:
        queue = SlowQueue()
        async with supervised(queue, nodes=2) as supervisor:
            await eventually_async(supervisor.ready.is_set, "its scheduler")
            await eventually_async(lambda: queue.waiting() == 2, "its jobs")
            disk.full = True
            for change in ({"by": 1}, {"by": 1, "walltime": "3h"}, {"nodes": 0}):
                with pytest.raises(Unavailable, match="can't be written: No space left on device"):
                    await ask("scale", **change)
            with pytest.raises(Unavailable, match="No space left on device"):
                await ask("adapt", minimum=1, maximum=4)
            assert (supervisor.record.wanted, supervisor.record.nodes_wanted) == ({"node": 2}, 2)
            assert supervisor.record.adapt is None
            assert supervisor.nodes.description.walltime is None
            assert len(queue.jobs) == 2
            await ask("cancel")
            await eventually_async(lambda: not queue.waiting(), "the end of its jobs")
            assert not PILOTS.read("p").state.ended, "it can't be written yet"
            disk.full = False
            await eventually_async(lambda: PILOTS.read("p").state.ended, "what could not be written")
            assert (PILOTS.read("p").state, PILOTS.read("p").reason) == (State.FINISHED, "cancelled")

    asyncio.run(steps())


def test_after_logging_out_its_sockets_are_made_again_for_their_owner_alone(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.mkdtemp(prefix="n"))

    async def steps() -> None:
        async with supervised(SlowQueue()) as supervisor:
            await eventually_async(supervisor.ready.is_set, "its scheduler")
            before = supervisor.record.sockets
            folder = control.runtime_folder()
            assert [path.parent for path in before] == [folder] * 2
            shutil.rmtree(folder)
            await eventually_async(lambda: all(path.exists() for path in before), "new ones")
            assert await ask("scale", nodes=1) == 1
            for path in supervisor.record.sockets:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not any(path.exists() for path in before)

    asyncio.run(steps())


def test_a_supervisor_that_fails_says_so_and_leaves_no_job(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(supervisor: Supervisor, tls: dict[str, str]) -> None:
        raise RuntimeError("no scheduler today")

    monkeypatch.setattr(Supervisor, "_start_scheduler", fail)

    async def steps() -> None:
        queue = SlowQueue(0.01)
        with pytest.raises(RuntimeError, match="no scheduler today"):
            async with supervised(queue, nodes=3):
                await eventually_async(lambda: PILOTS.read("p").state.ended, "the end")
        assert queue.jobs
        assert not queue.waiting()
        record = PILOTS.read("p")
        assert (record.state, record.reason) == (
            State.FAILED, "the supervisor failed: RuntimeError: no scheduler today",
        )  # fmt: skip

    asyncio.run(steps())


def test_jobs_that_the_batch_system_does_not_end_are_in_the_reason(state_home: Path, host: FakeCommands) -> None:
    async def steps() -> None:
        async def refuse(ids: Sequence[str], grace: float = 2.0) -> None:
            raise Refused("scancel: error: Kill job error on job id 1: Access/permission denied")

        queue = SlowQueue()
        queue.cancel = refuse  # type: ignore[method-assign]
        async with supervised(queue, 8) as supervisor:
            await eventually_async(lambda: len(queue.jobs) == 8)
            supervisor.end(State.FINISHED, "ended by SIGTERM")

    asyncio.run(steps())
    record = PILOTS.read("p")
    assert record.state is State.FINISHED
    numbers = [str(number) for number in range(1, 9)]
    told = f"ended by SIGTERM; its jobs ({', '.join(numbers)}) may be left, for they could not be ended: scancel: error"
    assert record.reason.startswith(told)
    assert "denied; ph.attach('p').cancel() or ph.sweep() tells them again" in record.reason
    assert [node.job for node in record.left] == numbers
    record.settings |= {"name": "slurm", "system": "slurm"}
    PILOTS.write(record)
    host.lists((tag("p-1"), 1, "RUNNING", "None", "N/A", "N/A", "c1", 0))
    host.fails("scancel", "still not")
    with pytest.raises(Refused, match="still not"):
        ph.attach("p").cancel()
    host.prints("scancel", "")
    pilot = ph.attach("p").cancel()
    assert pilot.reason.startswith(told)
    assert pilot.reason.endswith(f"cancelled again, which told its jobs ({', '.join(numbers)}) to end")
    assert pilot.record.left == []
    ph.attach("p").cancel()
    assert host.calls("scancel") == 2, "once for its nodes, once for what the sweep finds"
