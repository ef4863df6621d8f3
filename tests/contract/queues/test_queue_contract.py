"""Every batch system keeps the contract of queues. Slurm is real; PBS, LSF and HTCondor are fakes, named as such.

Grid Engine and OAR are real too, and keep it inside their own hosts: tests/integration/gridengine and oar.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import sys
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import InvalidInput, Refused, Unavailable
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.queues.commands import output
from pilothouse.pilots.queues.htcondor import HTCondorQueue
from pilothouse.pilots.queues.lsf import LSFQueue
from pilothouse.pilots.queues.pbs import PBSQueue, parse_qstat
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.queues.psij import PSIJQueue
from pilothouse.pilots.queues.slurm import SlurmQueue
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from pilothouse.state import utcnow
from pilothouse.testing.queues import Bench, QueueContract
from tests.fakes.batch import CORES, HOSTS, FakeBatch, fake_batch, program
from tests.slurm.cluster import SlurmCluster


class FakeContract(QueueContract):
    """The contract, and what else can only be asked of a batch system that misbehaves when told to."""

    hosts = HOSTS
    cores = CORES
    listing: str
    unknown = "987654"

    @pytest.fixture(autouse=True)
    def batch(self, tmp_path: Path) -> Iterator[FakeBatch]:
        with fake_batch(self.system, tmp_path / "batch") as batch:
            yield batch

    def test_history_knows_the_jobs_that_have_ended_and_no_others(self, bench: Bench) -> None:
        async def steps() -> None:
            good, bad = await bench.submit("true"), await bench.submit("exit 3", "p-2")
            running = await bench.submit("sleep 600", "p-3")
            await bench.until(bad, lambda status: status.state.ended)
            await bench.until(good, lambda status: status.state.ended)
            known = await bench.queue.history([good, bad, running, self.unknown])
            assert {job: status.state for job, status in known.items()} == {good: State.FINISHED, bad: State.FAILED}
            assert known[bad].exit_code == 3
            assert await bench.queue.history([]) == {}
            assert await bench.queue.history([self.unknown]) == {}

        asyncio.run(steps())

    def test_a_user_without_jobs_has_an_empty_listing(self, bench: Bench) -> None:
        assert asyncio.run(bench.queue.poll()) == {}

    def test_a_job_that_dies_of_a_signal_says_which(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("kill -KILL $$")
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.exit_code, status.reason) == (State.FAILED, -9, "signal 9")

        asyncio.run(steps())

    def test_long_names_come_back_whole(self, bench: Bench) -> None:
        async def steps() -> None:
            name = "a-pilot-with-" + "a" * 60 + "-long-name-1"
            number = await bench.submit("sleep 600", name)
            assert (await bench.until(number, lambda status: status.tag)).tag == tag(name)

        asyncio.run(steps())

    def test_commands_that_hang_are_ended_in_time(self, tmp_path: Path, state_home: Path, batch: FakeBatch) -> None:
        bench = self._impatient(tmp_path)
        with batch.misbehaving(hang=True):
            for each in (bench.queue.poll(), bench.queue.limits(), bench.queue.cancel(["1"])):
                with pytest.raises(Unavailable, match=r"did not answer within 0\.5 s"):
                    asyncio.run(each)
            with pytest.raises(Unavailable, match=r"did not answer within 0\.5 s"):
                asyncio.run(bench.submit("true"))
        assert not batch.alive()
        assert not batch.jobs()

    def test_garbage_is_no_answer(self, bench: Bench, batch: FakeBatch) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600")
            for command in self.listing.split():
                wrong = batch.misbehaving(garbage=True, commands=[command])
                with wrong, pytest.raises(Unavailable, match="something else than"):
                    await bench.queue.poll()
            with batch.misbehaving(garbage=True), pytest.raises(Unavailable, match="in place of a job's number"):
                await bench.submit("true", "p-2")
            with batch.misbehaving(garbage=True), pytest.raises(Unavailable):
                await bench.queue.history([number])
            assert not (await bench.queue.poll())[number].state.ended

        asyncio.run(steps())

    def test_a_listing_that_fails_is_no_answer(self, bench: Bench, batch: FakeBatch) -> None:
        async def steps() -> None:
            await bench.submit("sleep 600")
            for command in self.listing.split():
                wrong = batch.misbehaving(fail="a server is being moved", commands=[command])
                with wrong, pytest.raises(Unavailable, match="a server is being moved"):
                    await bench.queue.poll()

        asyncio.run(steps())

    def test_a_job_shown_twice_is_one(self, bench: Bench, batch: FakeBatch) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600")
            with batch.misbehaving(twice=[batch.jobs()[0]["number"]]):
                assert list(await bench.queue.poll()) == [number]

        asyncio.run(steps())

    def _impatient(self, folder: Path) -> Bench:
        site = Site(name=self.system, system=self.system, timeout=0.5)
        return Bench(type(self).make(site), site, folder)


class TestFakePBS(FakeContract):
    system = "pbs"
    make = PBSQueue
    listing = "qselect qstat"

    def check_waiting(self, status: JobStatus) -> None:
        assert status.reason == "Insufficient amount of resource: ncpus"

    def test_a_queue_that_is_not_there_is_refused_in_the_batch_systems_words(self, bench: Bench) -> None:
        with pytest.raises(Refused, match="qsub: Unknown queue"):
            asyncio.run(bench.submit("true", queue="nowhere"))

    def test_an_array_that_is_too_long_is_refused_as_a_whole(self, bench: Bench, batch: FakeBatch) -> None:
        batch.set(max_array_size=3)
        job = dataclasses.replace(bench.job("true", "p-1"), command=["/bin/true", "p-1"], count=4)
        with pytest.raises(Refused, match="exceeds server or queue size limit"):
            asyncio.run(PBSQueue.submit_array(bench.queue, job))  # type: ignore[arg-type]
        assert not batch.jobs()

    def test_where_pbs_remembers_nothing_history_is_empty(self, bench: Bench, batch: FakeBatch) -> None:
        batch.set(history=False)
        assert asyncio.run(bench.queue.history(["101.fakepbs"])) == {}

    def test_a_job_that_ends_between_two_commands_hides_no_other(self, bench: Bench, batch: FakeBatch) -> None:
        async def steps() -> None:
            ended, running = await bench.submit("true"), await bench.submit("sleep 600", "p-2")
            await bench.until(ended, lambda status: status.state.ended)
            asked = PBSQueue._listed(bench.queue, ["qstat", "-f"], [ended, running])  # type: ignore[arg-type]
            assert list(parse_qstat(await asked)) == [running]

        asyncio.run(steps())


class TestFakeLSF(FakeContract):
    system = "lsf"
    make = LSFQueue
    listing = "bjobs"
    test_members_of_an_array_are_jobs_like_others = None  # type: ignore[assignment]  # it has none

    def check_waiting(self, status: JobStatus) -> None:
        assert status.reason == "Job requirements for reserving resource (mem) not satisfied: 2 hosts"

    def test_a_job_past_its_walltime_is_ended(self, bench: Bench, batch: FakeBatch) -> None:
        batch.set(minute=2)  # LSF counts walltimes in minutes; here they are short
        super().test_a_job_past_its_walltime_is_ended(bench)

    @pytest.mark.parametrize("code", [0, 255])
    def test_no_jobs_at_all_is_no_failure(self, bench: Bench, batch: FakeBatch, code: int) -> None:
        batch.set(none=code)  # LSB_BJOBS_CONSISTENT_EXIT_CODE
        assert asyncio.run(bench.queue.poll()) == {}


class TestFakeHTCondor(FakeContract):
    system = "htcondor"
    make = HTCondorQueue
    listing = "condor_q"
    unknown = "987654.0"
    test_members_of_an_array_are_jobs_like_others = None  # type: ignore[assignment]  # it has none

    def check_waiting(self, status: JobStatus) -> None:
        assert status.reason == "no machine of the pool that fits is free (no match found)"

    def test_a_queue_that_is_not_there_is_refused_in_the_batch_systems_words(self, bench: Bench) -> None:
        with pytest.raises(InvalidInput, match="queue='nowhere': HTCondor has no queue"):
            asyncio.run(bench.submit("true", queue="nowhere"))

    def test_what_no_host_has_is_refused(self, bench: Bench) -> None:
        """HTCondor takes it, for tomorrow there may be such a machine; it says that there is none now."""

        async def steps() -> None:
            number = await bench.submit("true", cores=self.cores + 1)
            status = await bench.until(number, lambda status: "no match found" in status.reason)
            assert status.state is State.PENDING

        asyncio.run(steps())

    def test_a_job_waits_for_another_to_end_however_it_ends(self, bench: Bench) -> None:
        with pytest.raises(Refused, match="can't have a job wait"):
            asyncio.run(bench.submit("true", after="101.0"))

    def test_cancelled_jobs_go_running_or_waiting(self, bench: Bench) -> None:
        async def steps() -> None:
            running = await bench.submit("sleep 600", cores=self.cores)
            other = await bench.submit("sleep 600", "p-2", cores=self.cores)
            waiting = await bench.submit("sleep 600", "p-3", cores=self.cores)
            await bench.until(other, lambda status: status.state is State.RUNNING)
            await bench.queue.cancel([waiting, running, other])
            for number in (running, other, waiting):
                await bench.gone(number)
            await bench.queue.cancel([waiting, running, "987654.0"])

        asyncio.run(steps())

    def test_exclusive_nodes_are_no_thing_of_its(self, bench: Bench) -> None:
        with pytest.raises(InvalidInput, match="HTCondor has no exclusive nodes"):
            bench.queue.script(bench.job("true", exclusive=True))


class SlurmContract(QueueContract):
    """On the real Slurm of the tests: its four nodes are one computer."""

    hosts = ("n1", "n2", "n3", "n4")
    cores = 4

    @pytest.fixture(autouse=True)
    def _slurm(self, empty_slurm: SlurmCluster) -> None:
        """Without jobs of others."""

    def test_a_job_that_fails_has_its_exit_code_and_its_log(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("echo trouble >&2; exit 7")
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.exit_code) == (State.FAILED, 7)
            assert "exit code 7" in status.reason
            assert status.tag == tag("p-1")
            assert (bench.folder / "p-1.log").read_text().split() == ["trouble"]

        asyncio.run(steps())

    @pytest.mark.batch  # Slurm's shortest is a minute
    def test_a_job_past_its_walltime_is_ended(self, bench: Bench) -> None:
        super().test_a_job_past_its_walltime_is_ended(bench)

    def test_a_queue_that_is_not_there_is_refused_in_the_batch_systems_words(self, bench: Bench) -> None:
        with pytest.raises(Refused, match="invalid partition specified: nowhere"):
            asyncio.run(bench.submit("true", queue="nowhere"))


class TestSlurm(SlurmContract):
    system = "slurm"
    make = SlurmQueue

    def test_a_job_that_fails_has_its_exit_code_and_its_log(self, bench: Bench) -> None:
        """In a folder of letters that mean something to Slurm, to a shell, or to both."""
        bench.folder = bench.folder / "a b%j\"'#$(x)\\n"
        bench.folder.mkdir()
        super().test_a_job_that_fails_has_its_exit_code_and_its_log(bench)

    def test_members_of_an_array_are_jobs_like_others(self, bench: Bench) -> None:
        """What Slurm itself has to say of one is in its log, too."""
        super().test_members_of_an_array_are_jobs_like_others(bench)
        asyncio.run(bench.said("CANCELLED", "p-9"))

    def check_waiting(self, status: JobStatus) -> None:
        assert status.reason in (
            "Resources: no node that fits is free", "Priority: others are ahead in the queue",
        )  # fmt: skip


class TestPSIJOnSlurm(SlurmContract):
    """PSI/J knows neither why a job waits nor what a queue allows."""

    system = "psij"
    make = PSIJQueue
    test_members_of_an_array_are_jobs_like_others = None  # type: ignore[assignment]  # it has none

    @pytest.fixture
    def bench(self, tmp_path: Path, state_home: Path) -> Iterator[Bench]:
        site = Site(name="psij", system="psij:slurm")
        bench = Bench(PSIJQueue(site), site, tmp_path)
        yield bench
        asyncio.run(bench.queue.cancel(bench.ids))

    def test_a_running_job_has_its_host_and_its_end(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600", walltime="20min")
            status = await bench.until(number, lambda status: status.state is State.RUNNING and status.host)
            assert status.host == socket.gethostname()
            assert status.tag == tag("p-1")
            assert status.ends is not None
            assert abs(status.ends - utcnow() - timedelta(minutes=20)) < timedelta(minutes=2)

        asyncio.run(steps())

    def test_jobs_that_find_no_room_wait_and_say_why(self, bench: Bench) -> None:
        """It does not say why: PSI/J throws the reason away."""

        async def steps() -> None:
            first = [await bench.submit("sleep 600", f"p-{number}", cores=4) for number in range(4)]
            waiting = await bench.submit("sleep 600", "p-9", cores=4)
            for number in first:
                await bench.until(number, lambda status: status.state is State.RUNNING)
            status = await bench.until(waiting, lambda status: True)
            assert status.state is State.PENDING
            await bench.queue.cancel(first[:1])
            await bench.until(waiting, lambda status: status.state is State.RUNNING)

        asyncio.run(steps())

    def test_a_job_waits_for_another_to_end_however_it_ends(self, bench: Bench) -> None:
        async def steps() -> None:
            first = await bench.submit("sleep 600")
            second = await bench.submit("true", "p-2", after=first)
            await bench.until(first, lambda status: status.state is State.RUNNING)
            assert (await bench.until(second, lambda status: True)).state is State.PENDING
            await bench.queue.cancel([first])
            await bench.until(second, lambda status: status.state is State.FINISHED)

        asyncio.run(steps())

    @pytest.mark.batch  # Slurm ends a job within a minute after its walltime
    def test_a_job_past_its_walltime_is_ended(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600", walltime="30s")
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.reason) == (State.FAILED, "The job exhausted its time limit")

        asyncio.run(steps())

    def test_its_queues_have_what_its_hosts_have(self, bench: Bench) -> None:
        assert asyncio.run(bench.queue.limits()) == []

    def test_another_process_knows_the_job_and_ends_it(self, bench: Bench, tmp_path: Path) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600")
            await bench.until(number, lambda status: status.state is State.RUNNING)
            code = (
                "import asyncio\n"
                "from pilothouse.pilots.queues import queue_for\n"
                "from pilothouse.pilots.sites.site import Site\n"
                "queue = queue_for(Site(name='psij', system='psij:slurm'))\n"
                "async def main():\n"
                "    (number, status), = (await queue.poll()).items()\n"
                "    print(number, status.state.value, status.tag)\n"
                "    await queue.cancel([number])\n"
                "asyncio.run(main())\n"
            )
            said = await output([sys.executable, "-c", code], timeout=60)
            assert said.split() == [number, "running", tag("p-1")]
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.reason) == (State.FAILED, "cancelled")

        asyncio.run(steps())

    def test_what_psij_can_not_read_is_no_answer(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600")
            program(bench.folder / "bin" / "squeue", "echo header; echo what is this")
            with monkeypatch.context() as patch:
                patch.setenv("PATH", str(bench.folder / "bin"), prepend=os.pathsep)
                with pytest.raises(Unavailable, match="something else than PSI/J expects"):
                    await bench.queue.poll()
                assert await bench.queue.history([number]) == {}

        asyncio.run(steps())

    def test_a_batch_system_that_psij_does_not_know_is_named(self, state_home: Path) -> None:
        site = Site(name="psij", system="psij:nqs")
        with pytest.raises(InvalidInput, match="system='psij:nqs': PSI/J has no batch system of that name; it has"):
            asyncio.run(PSIJQueue(site).poll())
        assert isinstance(queue_for(site), PSIJQueue)

    def test_without_its_commands_it_is_unavailable(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Coroutine[Any, Any, object]] = [
            bench.queue.poll(), bench.queue.cancel(["1"]), bench.queue.submit(bench.job("true")),
        ]  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setenv("PATH", str(bench.folder))
            for each in asked:
                with pytest.raises(Unavailable, match="can't be run here"):
                    asyncio.run(each)
