"""What every queue must do on its real batch system; `QueueContract` is inherited by a test class for each."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ByteSize

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.protocols import Job, JobStatus, Queue, TakesArrays
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from pilothouse.state import utcnow
from pilothouse.testing.waiting import eventually_async

#: Batch systems that look at their queue every few seconds, on a machine that does other things too.
PATIENCE_S = 120.0


class Bench:
    """A queue, jobs made with few words, and waiting for what the batch system says of them."""

    def __init__(self, queue: Queue, site: Site, folder: Path) -> None:
        self.queue, self.site, self.folder = queue, site, folder
        self.ids: list[str] = []

    def job(self, command: str, name: str = "p-1", after: str = "", **fields: Any) -> Job:
        description = PilotDescription.model_validate({"site": self.site.name, "walltime": "10min", **fields})
        return Job(
            name=name,
            tag=tag(name),
            command=["/bin/sh", "-c", command],
            log=self.folder / f"{name}.log",
            description=description,
            kind=description.kind(),
            site=self.site,
            after=after,
        )

    async def submit(self, command: str, name: str = "p-1", after: str = "", **fields: Any) -> str:
        number = await self.queue.submit(self.job(command, name, after, **fields))
        self.ids.append(number)
        return number

    async def status(self, number: str) -> JobStatus | None:
        """As the supervisor asks: the listing, then the history."""
        listed = await self.queue.poll()
        return listed.get(number) or (await self.queue.history([number])).get(number)

    async def until(self, number: str, condition: Callable[[JobStatus], object]) -> JobStatus:
        async def met() -> JobStatus:
            status = await self.status(number)
            assert status is not None, "it is not known"
            assert condition(status), status
            return status

        return await eventually_async(met, f"what is asked of job {number}", PATIENCE_S, pause=0.2)

    async def said(self, text: str, name: str) -> None:
        """Until the text is in the log of the node `name`."""
        log = self.folder / f"{name}.log"
        await eventually_async(
            lambda: log.exists() and text in log.read_text(), f"{text!r} in the log of {name}", PATIENCE_S, pause=0.1
        )

    async def gone(self, number: str) -> None:
        """Until it is no longer among those that wait or run."""

        async def left() -> bool:
            status = (await self.queue.poll()).get(number)
            assert status is None or status.state.ended, status
            return True

        ended: bool = await eventually_async(left, f"the end of job {number}", PATIENCE_S, pause=0.2)
        assert ended


class QueueContract:
    """The contract; a subclass has a fixture `queue` and says how large the cluster is."""

    hosts: tuple[str, ...]
    cores: int
    system: str
    make: Callable[[Site], Queue]

    @pytest.fixture
    def bench(self, tmp_path: Path, state_home: Path) -> Iterator[Bench]:
        site = Site(name=self.system, system=self.system)
        bench = Bench(type(self).make(site), site, tmp_path)
        yield bench

        async def clean() -> None:
            await bench.queue.cancel(bench.ids)
            for number in bench.ids:
                await bench.gone(number)

        asyncio.run(clean())

    def test_a_job_that_fails_has_its_exit_code_and_its_log(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("hostname; echo trouble >&2; exit 7")
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.exit_code, status.reason) == (State.FAILED, 7, "exit code 7")
            assert status.tag == tag("p-1")
            words = (bench.folder / "p-1.log").read_text().split()
            assert words[0] in self.hosts
            assert "trouble" in words

        asyncio.run(steps())

    def test_a_job_that_ends_well_has_finished(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("true")
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.exit_code, status.reason) == (State.FINISHED, 0, "")

        asyncio.run(steps())

    def test_a_running_job_has_its_host_and_its_end(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600", walltime="20min", cores=self.cores)
            status = await bench.until(
                number, lambda status: status.state is State.RUNNING and status.host and status.ends
            )
            assert status.host in self.hosts
            assert status.tag == tag("p-1")
            assert status.ends is not None
            assert abs(status.ends - utcnow() - timedelta(minutes=20)) < timedelta(minutes=2)

        asyncio.run(steps())

    def test_jobs_that_find_no_room_wait_and_say_why(self, bench: Bench) -> None:
        async def steps() -> None:
            first = [
                await bench.submit("sleep 600", f"p-{number}", cores=self.cores) for number in range(len(self.hosts))
            ]
            waiting = await bench.submit("sleep 600", "p-9", cores=self.cores)
            hosts = [(await bench.until(number, lambda status: status.host)).host for number in first]
            assert sorted(hosts) == sorted(self.hosts)
            status = await bench.until(waiting, lambda status: status.reason)
            assert status.state is State.PENDING
            assert status.submitted is None or abs(status.submitted - utcnow()) < timedelta(minutes=2)
            self.check_waiting(status)
            await bench.queue.cancel(first[:1])
            await bench.until(waiting, lambda status: status.state is State.RUNNING)

        asyncio.run(steps())

    def test_members_of_an_array_are_jobs_like_others(self, bench: Bench) -> None:
        """Of as many as there are hosts and three more, each on a host of its own; for queues that have arrays."""
        queue = bench.queue
        if not isinstance(queue, TakesArrays):
            pytest.skip(f"{self.system} has no arrays")
        count = len(self.hosts) + 3
        names = [f"p-{8 + index}" for index in range(count)]  # from one digit to two

        async def steps() -> None:
            job = bench.job('echo "this is $0"; [ "$0" != p-8 ] || exit 3; sleep 600', names[0], cores=self.cores)
            job = dataclasses.replace(job, command=[*job.command, names[0]], count=count)
            ids = await queue.submit_array(job)
            bench.ids += ids
            assert len(set(ids)) == count
            *_, last, waiting, _ = ids
            running = ids[1 : len(self.hosts) + 1]
            failed = await bench.until(ids[0], lambda status: status.state.ended)
            assert (failed.state, failed.exit_code, failed.tag) == (State.FAILED, 3, tag(names[0]))
            for number in running:
                await bench.until(number, lambda status: status.state is State.RUNNING and status.host)
            listed = {job: status for job, status in (await queue.poll()).items() if not status.state.ended}
            assert {job: status.tag for job, status in listed.items()} == dict(
                zip(ids[1:], map(tag, names[1:]), strict=True)
            )
            assert listed[waiting].state is State.PENDING
            for name in names[: len(running) + 1]:
                await bench.said(f"this is {name}", name)
            await queue.cancel([waiting])
            await bench.gone(waiting)
            await queue.cancel(running[:1])
            await bench.until(last, lambda status: status.state is State.RUNNING)
            other = await bench.status(running[1])
            assert other is not None
            assert other.state is State.RUNNING
            await queue.cancel([ids[0], running[0], waiting, last])  # some of which have ended

        asyncio.run(steps())

    def check_waiting(self, status: JobStatus) -> None:
        """What this batch system says of a job for which there is no room."""
        raise NotImplementedError

    def test_a_job_waits_for_another_to_end_however_it_ends(self, bench: Bench) -> None:
        async def steps() -> None:
            first = await bench.submit("sleep 600")
            second = await bench.submit("true", "p-2", after=first)
            await bench.until(first, lambda status: status.state is State.RUNNING)
            status = await bench.until(second, lambda status: "wait" in status.reason)
            assert status.state is State.PENDING
            await bench.queue.cancel([first])
            await bench.until(second, lambda status: status.state is State.FINISHED)

        asyncio.run(steps())

    def test_cancelled_jobs_go_running_or_waiting(self, bench: Bench) -> None:
        async def steps() -> None:
            running = await bench.submit("sleep 600")
            await bench.until(running, lambda status: status.state is State.RUNNING)
            waiting = await bench.submit("sleep 600", "p-2", after=running)
            await bench.queue.cancel([waiting, running])
            await bench.gone(running)
            await bench.gone(waiting)
            await bench.queue.cancel([waiting, running, "987654"])  # neither ended nor unknown ones are errors

        asyncio.run(steps())

    def test_a_queue_that_is_not_there_is_refused_in_the_batch_systems_words(self, bench: Bench) -> None:
        with pytest.raises(Refused, match=r"queue.*nowhere|nowhere.*queue"):
            asyncio.run(bench.submit("true", queue="nowhere"))

    def test_what_no_host_has_is_refused(self, bench: Bench) -> None:
        with pytest.raises(Refused):
            asyncio.run(bench.submit("true", cores=self.cores + 1))

    def test_a_job_past_its_walltime_is_ended(self, bench: Bench) -> None:
        async def steps() -> None:
            job = bench.job("sleep 600")
            job = dataclasses.replace(job, kind=job.kind.model_copy(update={"walltime": 4.0}))
            number = await bench.queue.submit(job)
            bench.ids.append(number)
            status = await bench.until(number, lambda status: status.state.ended)
            assert status.state is State.FAILED
            assert "walltime" in status.reason

        asyncio.run(steps())

    def test_its_queues_have_what_its_hosts_have(self, bench: Bench) -> None:
        limits = asyncio.run(bench.queue.limits())
        assert all(queue.available for queue in limits)
        assert {queue.cores for queue in limits} == {self.cores}

    def test_options_of_a_description_reach_the_job(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit(
                'echo "$GREETING from $PWD"; exit 0',
                memory=str(ByteSize(256 * 2**20)),
                environment={"variables": {"GREETING": "it's me"}},
            )
            await bench.until(number, lambda status: status.state is State.FINISHED)
            assert "it's me from " in (bench.folder / "p-1.log").read_text()

        asyncio.run(steps())

    def test_without_its_commands_it_is_unavailable(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Coroutine[Any, Any, object]] = [
            bench.queue.poll(),
            bench.queue.history(["1"]),
            bench.queue.cancel(["1"]),
            bench.queue.limits(),
            bench.queue.submit(bench.job("true")),
        ]
        with monkeypatch.context() as patch:
            patch.setenv("PATH", str(bench.folder))
            for each in asked:
                with pytest.raises(Unavailable, match="can't be run here"):
                    asyncio.run(each)
