"""A Dask cluster that was not started by Pilothouse, as a pilot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster, default_client

import pilothouse as ph
from pilothouse.errors import Conflict, InvalidInput, Lost, Refused, Unavailable, WaitTimeout
from pilothouse.pilots import attached
from pilothouse.pilots.submission import pilots
from tests.waiting import eventually


@pytest.fixture
def cluster() -> Iterator[Any]:
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as made:
        yield made


@pytest.fixture
def tcp_cluster() -> Iterator[Any]:
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, host="127.0.0.1") as made:
        yield made


def test_by_its_address_it_computes_and_shows_its_workers(tcp_cluster: Any) -> None:
    with ph.attach_dask(tcp_cluster.scheduler_address, name="theirs") as pilot:
        assert pilot.wait(timeout=30).client().submit(sum, [1, 2]).result(timeout=30) == 3
        (node,) = pilot.nodes
        assert (node.state, node.cores, node.host) == ("running", 2, "127.0.0.1")
        assert repr(pilot) == f"<AttachedPilot 'theirs' at {tcp_cluster.scheduler_address}, 1 nodes, running>"
        assert "pilot on attached" in pilot._repr_mimebundle_()["text/html"]
        tcp_cluster.scale(2)
        assert len(pilot.wait(nodes=2, timeout=30).nodes) == 2
        with pytest.raises(WaitTimeout):
            pilot.wait(nodes=5, timeout=0.3)
    assert pilot.state == "finished"
    assert len(tcp_cluster.scheduler.workers) == 2, "the cluster goes on"
    with pytest.raises(Lost, match="attach_dask"):
        pilot.client()
    pilot.close()


def test_a_cluster_object_brings_its_address(cluster: Any) -> None:
    with ph.attach_dask(cluster) as pilot:
        assert (pilot.name, pilot.scheduler) == ("dask", cluster.scheduler_address)
        assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
        assert "dask" not in [each.name for each in pilots()]


def test_its_executor_has_its_workers_call(cluster: Any) -> None:
    with ph.attach_dask(cluster) as pilot, pilot.executor() as executor:
        assert list(executor.map(pow, range(4), [2] * 4, chunksize=3)) == [0, 1, 4, 9]
        assert pilot.companion is None, "nothing was started for it"


def test_what_it_can_not_do_says_why(cluster: Any) -> None:
    with ph.attach_dask(cluster) as pilot:
        for name in ("scale", "extend", "shrink", "adapt", "renew"):
            with pytest.raises(Refused, match=r"Scale the cluster itself, such as cluster\.scale\(4\)"):
                getattr(pilot, name)()
        for name in ("logs", "timeline", "script", "cost", "recover"):
            with pytest.raises(Conflict, match="its first run brings a supervisor"):
                getattr(pilot, name)()
        assert (pilot.runs(), pilot.events(), pilot.companion) == ([], [], None)
        with pytest.raises(Refused, match=r"inside of one process\. Make the cluster with") as caught:
            ph.streams.run(rate=1, seconds=1, pilot=pilot)
        assert caught.value.field == "address"
        assert "dask" not in [each.name for each in pilots()], "nothing was started"
        assert pilot.cancel().state == "running", "the cluster is not ours to end"
    for memory in ("much", "1 MiB"):
        with pytest.raises(InvalidInput, match=f"memory='?{memory}"):
            ph.attach_dask(cluster, memory=memory)


def test_it_is_lost_with_its_scheduler(tcp_cluster: Any) -> None:
    pilot = ph.attach_dask(tcp_cluster.scheduler_address)
    tcp_cluster.close()
    eventually(lambda: pilot.state == "lost")
    assert pilot.nodes == []
    with pytest.raises(Lost, match="can't be reached"):
        pilot.client()
    pilot.close()


def default() -> Client | None:
    """What Dask computes with in this process."""
    try:
        return default_client()
    except ValueError:
        return None


def test_a_wrong_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "ANSWER_S", 0.3)
    before = dask.config.get("scheduler", None), default()
    for address in ("tcp://127.0.0.1:1", "tcp://nowhere.invalid:8786", "nonsense://x"):
        with pytest.raises(Unavailable, match="no Dask scheduler answers") as caught:
            ph.attach_dask(address)
        assert caught.value.field == "address"
        assert (dask.config.get("scheduler", None), default()) == before, "what is computed here goes on as before"
    for nothing in (None, 7, ""):
        with pytest.raises(InvalidInput, match="give a scheduler's address"):
            ph.attach_dask(nothing)
