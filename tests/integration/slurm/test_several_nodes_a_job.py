"""Pilots whose jobs have two nodes each, on a real Slurm."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.pilots import Pilot
from pilothouse.registry.records import NodeRecord
from tests.slurm.login_node import LoginNode, happened, running, supervisor
from tests.waiting import eventually


def names(nodes: list[NodeRecord]) -> list[str]:
    return [node.name for node in nodes]


def places(pilot: Pilot) -> list[tuple[str, str]]:
    """The worker of each node, and where Slurm says that it is."""
    workers = pilot.client().run(lambda dask_worker: (dask_worker.name, os.environ["SLURMD_NODENAME"]))
    return sorted(workers.values())


def test_whole_jobs_come_and_go_and_each_node_has_its_host_and_log(login: LoginNode, tmp_path: Path) -> None:
    home = str(tmp_path / "set up on")
    login.site(nodes_per_job=2, prologue=[f"echo set up on $SLURMD_NODENAME; : >'{home}'-$SLURMD_NODENAME"])
    pilot = login.submit(name="pair", environment={"variables": {"FLAVOUR": "sweet & sour"}}).wait(timeout=60)
    assert names(running(pilot)) == ["pair-1", "pair-2"], "as many as a job has, where no number is given"
    (job,) = login.alive()
    assert {node.job for node in pilot.nodes} == {job.id}
    assert job.name.endswith("-pair-1")
    assert job.nodes == "n[1-2]"
    assert places(pilot) == [("pair-1", "n1"), ("pair-2", "n2")]
    assert set(pilot.client().run(os.getenv, "FLAVOUR").values()) == {"sweet & sour"}
    eventually(lambda: [node.host for node in pilot.nodes] == ["n1", "n2"], "their hosts")
    for node in pilot.nodes:
        assert f"set up on {node.host}\n" in pilot.logs(node.name)
        assert Path(f"{home}-{node.host}").exists()
        assert 500 < (node.time_left or 0) <= 600
    submitted = login.cluster.run("scontrol", "write", "batch_script", job.id, "-").stdout
    assert pilot.script("pair-2").strip() == pilot.script("pair-1").strip() == submitted.strip()

    pilot.extend().wait(timeout=60)
    assert {job.nodes for job in login.alive()} == {"n[1-2]"}, "Slurm packs"
    assert names(running(pilot)) == ["pair-1", "pair-2", "pair-3", "pair-4"]
    held = pilot.client().submit(abs, -1, workers=["pair-3"])
    assert held.result(timeout=30) == 1
    with pytest.raises(InvalidInput, match=r"n=1: at site 'slurm' a job has 2 nodes: take 2"):
        pilot.shrink(1)
    with pytest.raises(InvalidInput, match=r"nodes=3: at site 'slurm' a job has 2 nodes: take 2 or 4"):
        pilot.scale(3)
    cancelled = login.count("scancel")
    pilot.scale(2)
    eventually(lambda: len(happened(pilot, "node finished")) == 2, "the end of one job")
    assert len(cancelled.read_text().splitlines()) == 1, "of its two nodes"
    eventually(lambda: len(login.alive()) == 1, "the end of its processes")
    assert names(running(pilot)) == ["pair-1", "pair-2"]
    assert held.result(timeout=30) == 1, "what a node held has moved"

    pilot.cancel()
    assert not login.alive()
    eventually(lambda: not login.processes(), "the end of its processes")
    assert not login.files()


def test_a_job_that_loses_a_node_is_replaced_as_a_whole_and_work_goes_on(login: LoginNode) -> None:
    login.site(nodes_per_job=2)
    pilot = login.submit(nodes=2, name="p").wait(timeout=60)
    processes = dict(pilot.client().run(lambda dask_worker: (dask_worker.name, os.getpid())).values())
    psutil.Process(processes["p-1"]).kill()
    failed = eventually(lambda: happened(pilot, "node failed"), "the end of the first node")
    assert [event["node"] for event in failed] == ["p-1"]
    assert failed[0]["reason"].startswith("its process ended with 137; its job goes on"), failed
    assert [event["node"] for event in happened(pilot, "node renewing")] == ["p-2"]
    eventually(lambda: names(running(pilot)) == ["p-3", "p-4"], "the next job's nodes")
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
    eventually(lambda: len(login.alive()) == 1, "the end of the damaged job")
    assert [event["reason"] for event in happened(pilot, "node finished")] == ["renewed"]

    (job,) = login.alive()
    login.cluster.run("scancel", job.id)
    eventually(lambda: names(running(pilot)) == ["p-5", "p-6"], "nodes for those of a job that somebody has ended")
    failed = eventually(lambda: [each for each in happened(pilot, "node failed") if each["node"] in ("p-3", "p-4")])
    assert all(each["reason"].startswith("cancelled") for each in failed), failed
    supervisor(pilot).terminate()
    eventually(lambda: pilot.state == "finished" and not login.alive(), "the end of all")
    eventually(lambda: not login.processes(), "the end of its processes")
