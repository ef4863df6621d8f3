"""The queue for Grid Engine, on Grid Engine."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.gridengine import GridEngineQueue
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from pilothouse.testing.queues import Bench, QueueContract
from tests.gridengine.cluster import NODES, SLOTS

pytestmark = pytest.mark.gridengine


class TestGridEngine(QueueContract):
    hosts = NODES
    cores = SLOTS
    system = "gridengine"
    make = GridEngineQueue

    def check_waiting(self, status: JobStatus) -> None:
        assert "no slots are free" in status.reason

    def test_a_job_that_fails_has_its_exit_code_and_its_log(self, bench: Bench) -> None:
        """In a folder of letters that mean something to it, to a shell, or to both."""
        bench.folder = bench.folder / "a b:%j,\"'#$HOME\\n"
        bench.folder.mkdir()
        super().test_a_job_that_fails_has_its_exit_code_and_its_log(bench)

    def test_a_file_of_defaults_makes_no_array_of_it_and_holds_it_not(
        self, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".sge_request").write_text("# mine\n-t 1-3 -N mine\n-h -v KEPT='a b' -S /bin/false\n-hold_jid 1\n")
        monkeypatch.chdir(tmp_path)

        async def steps() -> None:
            number = await bench.submit('test "$KEPT" = "a b" && exit 7')
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.exit_code, status.tag) == (7, tag("p-1"))

        asyncio.run(steps())

    def test_memory_that_no_host_has_is_refused(self, bench: Bench) -> None:
        with pytest.raises(Refused, match="no suitable queues"):
            asyncio.run(bench.submit("true", memory="4000GiB"))

    def test_more_slots_than_any_host_has_is_why_a_job_waits(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("true", directives=["-w n", "-pe smp 99"])
            status = await bench.until(number, lambda status: status.reason)
            assert (status.state, status.reason) == (State.PENDING, "no host has that many slots free (0)")

        asyncio.run(steps())

    def test_a_walltime_beyond_the_queues_is_refused(self, bench: Bench) -> None:
        with pytest.raises(Refused, match="no suitable queues"):
            asyncio.run(bench.submit("true", queue="short.q", walltime="2h"))

    def test_a_job_that_can_not_start_has_failed_and_does_not_stay(self, bench: Bench) -> None:
        async def steps() -> None:
            job = dataclasses.replace(bench.job("true"), log=bench.folder / "missing" / "p-1.log")
            number = await bench.queue.submit(job)
            bench.ids.append(number)
            status = await bench.until(number, lambda status: status.state.ended)
            assert status.state is State.FAILED
            assert "missing" in status.reason
            await bench.gone(number)
            assert number not in await bench.queue.poll()

        asyncio.run(steps())

    def test_the_queues_have_their_walltimes(self, bench: Bench) -> None:
        limits = {queue.name: queue for queue in asyncio.run(bench.queue.limits())}
        assert {name: queue.walltime for name, queue in limits.items()} == {"all.q": None, "short.q": 3600.0}
        assert all(queue.memory for queue in limits.values())

    def test_a_master_that_is_not_there_is_unavailable(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setenv("SGE_QMASTER_PORT", "1")
            for ask in (bench.queue.poll, bench.queue.limits):
                with pytest.raises(Unavailable, match="the batch system does not answer"):
                    asyncio.run(ask())
            with pytest.raises(Unavailable, match="the batch system does not answer"):
                asyncio.run(bench.submit("true"))
