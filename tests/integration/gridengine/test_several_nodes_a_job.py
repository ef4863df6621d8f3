"""Pilots whose jobs have two nodes each, on Grid Engine."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse.pilots import Pilot
from pilothouse.registry.records import State
from pilothouse.testing.pilots import PATIENCE_S, running
from tests.gridengine.cluster import NODES, SLOTS
from tests.waiting import eventually

pytestmark = pytest.mark.gridengine


@pytest.fixture
def pilot(
    request: pytest.FixtureRequest, state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pilot]:
    site = tmp_path / "site.toml"
    site.write_text("[gridengine]\nnodes_per_job = 2\npoll_least = 0.5\npoll_most = 1\n")
    monkeypatch.setenv("PILOTHOUSE_SITES", str(site))
    with ph.submit("gridengine", name="pair", cores=request.param, walltime="20min") as pilot:
        yield pilot.wait(timeout=PATIENCE_S)


def hosts(pilot: Pilot) -> dict[str, str]:
    found = pilot.client().run(lambda dask_worker: (dask_worker.name, socket.gethostname()))
    return dict(sorted(found.values()))


@pytest.mark.parametrize("pilot", [SLOTS], indirect=True)
def test_each_node_has_a_host_of_its_own_and_a_damaged_job_is_replaced(pilot: Pilot) -> None:
    assert sorted(hosts(pilot)) == ["pair-1", "pair-2"]
    assert sorted(hosts(pilot).values()) == sorted(NODES)
    eventually(lambda: {node.name: node.host for node in pilot.nodes} == hosts(pilot), "their hosts")
    job = pilot.nodes[0].job
    assert {node.job for node in pilot.nodes} == {job}
    processes = dict(pilot.client().run(lambda dask_worker: (dask_worker.name, os.getpid())).values())
    psutil.Process(processes["pair-2"]).kill()
    failed = eventually(lambda: [event for event in pilot.events() if event["what"] == "node failed"], "its end")
    assert failed[0]["reason"].startswith("its process ended with 137")
    assert [node.name for node in pilot.nodes if node.state is State.RUNNING] == ["pair-1"]


@pytest.mark.parametrize("pilot", [SLOTS // 2], indirect=True)
def test_a_host_with_slots_for_two_nodes_has_both(pilot: Pilot) -> None:
    assert len({*hosts(pilot).values()}) == 1
    pilot.extend().wait(timeout=PATIENCE_S)
    assert sorted(hosts(pilot)) == ["pair-1", "pair-2", "pair-3", "pair-4"]
    pilot.shrink()
    eventually(lambda: len({*running(pilot)}) == 1, "the end of one job", within=PATIENCE_S)
