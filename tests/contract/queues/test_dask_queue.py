"""A real Dask cluster keeps the contract of queues, as far as one can: it has no walltimes, queues, or commands."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from distributed import Client, LocalCluster, Security

from pilothouse.errors import Unavailable
from pilothouse.pilots.queues import dask as dask_queue
from pilothouse.pilots.queues.dask import GONE, Cluster, DaskQueue
from pilothouse.pilots.queues.protocols import JobStatus, Lent
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.records import State
from pilothouse.testing.queues import Bench, QueueContract


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """A cluster with one worker, and the file that says how it is reached."""
    file = tmp_path_factory.mktemp("cluster") / "cluster.json"
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, dashboard_address=None, host="127.0.0.1", security=Security.temporary()
        ) as made,
        Client(made, set_as_default=False) as client,
    ):
        Cluster.of(made.scheduler_address, made.scheduler.id, client.security).write(file)
        yield made, file


class TestDask(QueueContract):
    system = "dask"
    hosts = (socket.gethostname(),)
    cores = 2
    file: ClassVar[Path]
    made: ClassVar[Any]

    @classmethod
    def make(cls, site: Site) -> DaskQueue:  # type: ignore[override]
        return DaskQueue(site.model_copy(update={"source": str(cls.file)}))

    @pytest.fixture(autouse=True)
    def reached(self, cluster: tuple[Any, Path], tmp_path: Path) -> None:
        type(self).made, type(self).file = cluster[0], tmp_path / "cluster.json"
        self.file.write_bytes(cluster[1].read_bytes())

    def check_waiting(self, status: JobStatus) -> None:
        assert status.reason == "the Dask cluster has no worker for it"

    # Whose jobs last for as long as their workers, and are as large as these.
    test_members_of_an_array_are_jobs_like_others = None  # type: ignore[assignment]  # it has none
    test_a_running_job_has_its_host_and_its_end = None  # type: ignore[assignment]
    test_a_job_waits_for_another_to_end_however_it_ends = None  # type: ignore[assignment]
    test_a_job_past_its_walltime_is_ended = None  # type: ignore[assignment]
    test_what_no_host_has_is_refused = None  # type: ignore[assignment]
    test_a_queue_that_is_not_there_is_refused_in_the_batch_systems_words = None  # type: ignore[assignment]
    test_its_queues_have_what_its_hosts_have = None  # type: ignore[assignment]
    test_without_its_commands_it_is_unavailable = None  # type: ignore[assignment]

    def test_places_are_its_workers_and_a_job_goes_with_its_own(self, bench: Bench) -> None:
        async def steps() -> None:
            queue = bench.queue
            assert isinstance(queue, Lent)
            assert queue.places is None
            number = await bench.submit("sleep 600")
            await bench.until(number, lambda status: status.state is State.RUNNING and status.pid and status.host)
            assert (queue.places, queue.gone) == (1, "")
            await asyncio.to_thread(lambda: self.made.scale(0))
            status = await bench.until(number, lambda status: status.state.ended)
            assert (status.state, status.reason, status.exit_code) == (State.FINISHED, GONE, None)
            assert queue.places == 1
            assert await queue.history([number, "never"]) == {number: status, "never": status}
            assert not list(bench.folder.glob("*.begun"))
            second = await bench.submit("sleep 600")
            waits = await bench.until(second, lambda status: status.state is State.PENDING)
            assert waits.reason == "the Dask cluster has no workers"
            await asyncio.to_thread(lambda: self.made.scale(1))
            await bench.until(second, lambda status: status.state is State.RUNNING)

        asyncio.run(steps())

    def test_a_worker_with_another_version_gets_no_job_and_says_why(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dask_queue, "installed", lambda _: "0.0.1")

        async def steps() -> None:
            number = await bench.submit("sleep 600")
            status = await bench.until(number, lambda status: status.state is State.PENDING)
            assert "the pilot 0.0.1: install the same there" in status.reason

        asyncio.run(steps())

    def other(self, bench: Bench, **differs: str) -> DaskQueue:
        """The queue of a cluster that is reached in another way."""
        file = bench.folder / "other.json"
        dataclasses.replace(Cluster.read(self.file), **differs).write(file)  # type: ignore[arg-type]
        return DaskQueue(bench.site.model_copy(update={"source": str(file)}))

    def test_another_scheduler_at_the_address_is_another_cluster(self, bench: Bench) -> None:
        queue = self.other(bench, id="Scheduler-before")
        with pytest.raises(Unavailable, match="another Dask scheduler is at"):
            asyncio.run(queue.poll())
        assert "another Dask scheduler is at" in queue.gone

    def test_a_scheduler_has_gone_where_nobody_listens_and_may_be_busy_where_somebody_does(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dask_queue, "ANSWER_S", 0.2)
        monkeypatch.setattr(dask_queue, "REFUSED_S", 0.0)
        with socket.create_server(("127.0.0.1", 0)) as listening:  # and says nothing
            queue = self.other(bench, address=f"tls://127.0.0.1:{listening.getsockname()[1]}")
            with pytest.raises(Unavailable, match="does not answer"):
                asyncio.run(queue.poll())
            assert queue.gone == ""
        with pytest.raises(Unavailable, match="does not answer"):
            asyncio.run(queue.poll())
        assert "does not answer" in queue.gone
