"""A real YARN keeps the contract of queues, and has a whole pilot of its own; both on one that a pilot has started."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.engines.hadoop.queue import YarnQueue
from pilothouse.engines.hadoop.site import SiteYARN
from pilothouse.errors import Refused
from pilothouse.pilots.queues.discovery import sites
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.sites.interfaces import loopback
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from pilothouse.testing.queues import Bench, QueueContract
from tests.integration.engines.yarn import PATIENCE_S, local_pilot, yarn_on
from tests.waiting import eventually

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def configuration(_private_places: None) -> Iterator[Path]:
    """That of a YARN with two nodes of two cores, both of them this host."""
    with local_pilot("yarn-queues") as pilot, yarn_on(pilot) as yarn:
        yield yarn.conf_dir


@pytest.fixture(autouse=True)
def _here(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HADOOP_CONF_DIR", str(configuration))


class TestYARN(QueueContract):
    hosts = ("localhost", "localhost")
    cores = 2
    system = "yarn"
    make = YarnQueue

    # Which are those of a YARN that can't be reached here: see the unit tests.
    test_without_its_commands_it_is_unavailable = None  # type: ignore[assignment]
    test_members_of_an_array_are_jobs_like_others = None  # type: ignore[assignment]  # it has none

    @pytest.fixture
    def bench(self, tmp_path: Path, state_home: Path) -> Iterator[Bench]:
        python_path = os.environ.get("PYTHONPATH", "")
        site = Site(name="yarn", system="yarn", prologue=[f"export PYTHONPATH={python_path}"])
        bench = Bench(YarnQueue(site), site, tmp_path)
        yield bench

        async def clean() -> None:
            await bench.queue.cancel(bench.ids)
            for number in bench.ids:
                await bench.gone(number)

        asyncio.run(clean())

    def test_a_job_that_fails_has_its_exit_code_and_its_log(self, bench: Bench) -> None:
        """In a folder of letters that mean something to a shell, or to the one around it."""
        bench.folder = bench.folder / "a b%j\"'#$(x)\\n"
        bench.folder.mkdir()

        async def steps() -> None:
            number = await bench.submit("echo trouble >&2; exit 7")
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.exit_code, status.reason) == (State.FAILED, 7, "exit code 7")
            assert status.tag == tag("p-1")
            assert "trouble" in (bench.folder / "p-1.log").read_text()

        asyncio.run(steps())

    def check_waiting(self, status: JobStatus) -> None:
        assert "no node that fits is free" in status.reason

    def test_a_job_waits_for_another_to_end_however_it_ends(self, bench: Bench) -> None:
        with pytest.raises(Refused, match="can't have a job wait"):
            asyncio.run(bench.submit("true", after="application_1_0001"))

    def test_cancelled_jobs_go_running_or_waiting(self, bench: Bench) -> None:
        async def steps() -> None:
            first = [await bench.submit("sleep 600", f"p-{number}", cores=self.cores) for number in (1, 2)]
            waiting = await bench.submit("sleep 600", "p-3", cores=self.cores)
            for number in first:
                await bench.until(number, lambda status: status.state is State.RUNNING)
            await bench.queue.cancel([waiting, *first])
            for number in [waiting, *first]:
                await bench.gone(number)
            await bench.queue.cancel([waiting, *first, "987654", "application_1_0001"])

        asyncio.run(steps())

    def test_a_job_may_end_by_its_own_hand(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("trap 'echo farewell; exit 0' TERM; echo ready; sleep 600 & wait")
            await bench.said("ready", "p-1")
            await bench.queue.cancel([number], grace=10)
            await bench.gone(number)
            await bench.said("farewell", "p-1")

        asyncio.run(steps())

    def test_a_job_that_dies_of_a_signal_says_which(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("kill -KILL $$")
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.exit_code, status.reason) == (State.FAILED, -9, "signal 9")

        asyncio.run(steps())

    def test_a_set_up_that_fails_is_known_before_a_master_speaks(self, bench: Bench) -> None:
        async def steps() -> None:
            job = bench.job("true")
            job = dataclasses.replace(job, site=job.site.model_copy(update={"prologue": ["false"]}))
            number = await bench.queue.submit(job)
            bench.ids.append(number)
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.exit_code, status.reason) == (State.FAILED, 1, "exit code 1")
            assert "exit code 1 of 'false'" in (bench.folder / "p-1.log").read_text()

        asyncio.run(steps())


def test_a_pilot_on_yarn_computes_grows_and_leaves_no_job(state_home: Path, configuration: Path) -> None:
    (site,) = [site for site in sites() if site.name == "yarn"]
    assert (site.conf_dir, site.trouble, [queue.name for queue in site.queues]) == (str(configuration), "", ["default"])
    assert site.interface == loopback()  # where all of the cluster is
    assert SiteYARN().metrics()["activeNodes"] == 2
    queue = YarnQueue(site)

    def going_on() -> set[str]:
        return {job for job, status in asyncio.run(queue.poll()).items() if not status.state.ended}

    with ph.submit("yarn", nodes=1, memory="512 MiB", walltime="20min", lease="1h").wait(timeout=PATIENCE_S) as pilot:
        assert pilot.client().submit(sum, [1, 2]).result(timeout=120) == 3
        reached = [pilot.client().scheduler.address, *pilot.client().scheduler_info()["workers"]]
        assert [address for address in reached if "//127.0.0.1:" not in address] == []
        pilot.extend(1)
        pilot.wait(timeout=PATIENCE_S)
        assert going_on() == {node.job for node in pilot.nodes if node.state is State.RUNNING}
        pilot.shrink(1)
        eventually(lambda: len(going_on()) == 1, "the node that left", within=120)
    eventually(lambda: not going_on(), "no job is left", within=120)
