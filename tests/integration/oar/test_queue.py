"""The queue for OAR, on OAR. By night: what its pilots need of it is seen by day, and each of its commands is Perl."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.errors import Refused
from pilothouse.pilots.queues.oar import OARQueue
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.testing.queues import Bench, QueueContract
from tests.oar.cluster import CORES, NODES

pytestmark = [pytest.mark.oar, pytest.mark.nightly]


class TestOAR(QueueContract):
    hosts = NODES
    cores = CORES
    system = "oar"
    make = OARQueue
    test_members_of_an_array_are_jobs_like_others = None  # type: ignore[assignment]  # it has none

    def check_waiting(self, status: JobStatus) -> None:
        assert status.reason == "no resources that fit are free"

    def test_a_job_that_fails_has_its_exit_code_and_its_log(self, bench: Bench) -> None:
        """In a folder of letters that mean something to it, to a shell, or to both."""
        bench.folder = bench.folder / "a b%jobid%\"'#$(x)\\n"
        bench.folder.mkdir()
        super().test_a_job_that_fails_has_its_exit_code_and_its_log(bench)

    def test_a_property_that_is_not_there_is_refused(self, bench: Bench) -> None:
        with pytest.raises(Refused, match='column "colour" does not exist'):
            asyncio.run(bench.submit("true", constraint="colour = 'red'"))

    def test_a_constraint_chooses_the_host(self, bench: Bench) -> None:
        async def steps() -> None:
            number = await bench.submit("sleep 600", constraint=f"network_address = '{NODES[1]}'")
            status = await bench.until(number, lambda status: status.host)
            assert status.host == NODES[1]

        asyncio.run(steps())
