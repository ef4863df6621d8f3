"""Whole pilots on the fakes of PBS, LSF and HTCondor: the jobs are real, and so is what they compute."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.pilots import Pilot
from pilothouse.registry.records import State
from tests.fakes.batch import CORES, HOSTS, FakeBatch, fake_batch
from tests.waiting import eventually

pytestmark = [pytest.mark.batch, pytest.mark.slow]

#: Somebody deletes a job behind the pilot's back.
DELETE = {"pbs": "qdel", "lsf": "bkill", "htcondor": "condor_rm"}


def on(*systems: str) -> pytest.MarkDecorator:
    """For what all pilots do alike, once their queue keeps the contract (test_queue_contract.py): on some of them."""
    return pytest.mark.parametrize("batch", systems, indirect=True)


@pytest.fixture(params=sorted(DELETE))
def batch(
    request: pytest.FixtureRequest, tmp_path: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeBatch]:
    """One that answers as soon as it is asked, and is asked often."""
    site = tmp_path / "site.toml"
    site.write_text(f'[{request.param}]\nsystem = "{request.param}"\npoll_least = 0.3\npoll_most = 1\n')
    monkeypatch.setenv("PILOTHOUSE_SITES", str(site))
    with fake_batch(request.param, tmp_path / "batch") as batch:
        yield batch
        for pilot in ph.pilots():
            pilot.cancel()


def submit(batch: FakeBatch, nodes: int, **fields: object) -> Pilot:
    return ph.submit(batch.system, nodes=nodes, memory="512 MiB", walltime="20min", lease="1h", **fields)  # type: ignore[arg-type]


def going_on(batch: FakeBatch) -> list[str]:
    return [job["name"] for job in batch.jobs() if job["state"] != "ended"]


def running(pilot: Pilot) -> list[str]:
    return [node.job for node in pilot.nodes if node.state is State.RUNNING]


def test_a_pilot_computes_grows_shrinks_heals_and_leaves_no_job(batch: FakeBatch) -> None:
    pilot = submit(batch, 1).wait(timeout=120)
    client = pilot.client()
    assert client.submit(sum, [1, 2]).result(timeout=60) == 3
    (node,) = pilot.nodes
    assert node.host in HOSTS
    assert node.ends is not None

    pilot.extend(2)  # an array, where there are any
    eventually(lambda: len(running(pilot)) == 3, "the nodes that joined", within=120)
    assert ("[" in running(pilot)[-1]) == (batch.system == "pbs")
    *kept, deleted = running(pilot)
    subprocess.run([DELETE[batch.system], deleted], check=True, capture_output=True)
    eventually(lambda: len(running(pilot)) == 3 and deleted not in running(pilot), "a new node", within=120)
    assert set(kept) < set(running(pilot))
    assert client.submit(sum, [3, 4]).result(timeout=60) == 7

    pilot.shrink(2)
    eventually(lambda: len(going_on(batch)) == 1, "the job of the node that left ends", within=120)
    pilot.cancel()
    assert pilot.state is State.FINISHED
    eventually(lambda: not batch.alive(), "no process is left", within=60)
    assert not going_on(batch)


@on("pbs")
def test_a_job_of_several_nodes_has_one_on_each_of_its_hosts(batch: FakeBatch, tmp_path: Path) -> None:
    with (tmp_path / "site.toml").open("a") as site:
        site.write("nodes_per_job = 2\n")
    variables = {"FLAVOUR": "sweet & sour"}
    pilot = submit(batch, 2, cores=CORES, exclusive=True, environment={"variables": variables}).wait(timeout=120)
    (job,) = batch.jobs()
    assert job["hosts"] == list(HOSTS)
    names = ("PBS_NODENUM", "FLAVOUR")
    found = pilot.client().run(lambda dask_worker: [dask_worker.name, *map(os.getenv, names)])
    assert sorted(found.values()) == [["pbs-1-1", "0", "sweet & sour"], ["pbs-1-2", "1", "sweet & sour"]]
    assert "Worker name:                    pbs-1-2" in pilot.logs("pbs-1-2")
    pilot.cancel()
    eventually(lambda: not batch.alive(), "no process is left", within=60)


@on("lsf")
def test_a_pilot_that_finds_no_room_says_why_and_its_waiting_job_ends_with_it(batch: FakeBatch) -> None:
    first = submit(batch, 2, cores=CORES).wait(timeout=120)
    second = submit(batch, 1, cores=CORES)
    reason = eventually(lambda: second.nodes and second.nodes[0].reason, "a reason", within=60)
    assert str(reason).startswith(("Insufficient amount", "Job requirements", "no machine of the pool"))
    eventually(lambda: second.state is State.PENDING, "the pilot waits, once its supervisor has a scheduler")
    second.cancel()
    assert len(going_on(batch)) == 2
    first.cancel()
    eventually(lambda: not going_on(batch), "no job is left", within=60)


@on("pbs")
def test_a_batch_system_that_lies_or_says_nothing_costs_no_node(batch: FakeBatch) -> None:
    """Garbage, failure, a forgotten job and one shown twice: the pilot goes on with the job that it has."""
    pilot = submit(batch, 1).wait(timeout=120)
    (job,) = running(pilot)
    client = pilot.client()
    number = batch.jobs()[0]["number"]
    for trouble in ({"garbage": True}, {"fail": "a server is being moved"}, {"twice": [number]}):
        with batch.misbehaving(**trouble):
            pilot.extend(1)  # what makes it ask at once
            assert client.submit(sum, [1, 2], pure=False).result(timeout=60) == 3
        eventually(lambda: len(running(pilot)) == 2, "the batch system is asked again", within=120)
        assert job in running(pilot)
        pilot.shrink(1)
        eventually(lambda: len(going_on(batch)) == 1, "the node leaves", within=120)
        (job,) = running(pilot)
        number = next(each["number"] for each in batch.jobs() if each["state"] == "running")
    pilot.cancel()
    assert not going_on(batch)


@on("htcondor")
def test_a_job_that_has_died_but_is_said_to_run_is_replaced(batch: FakeBatch) -> None:
    pilot = submit(batch, 1).wait(timeout=120)
    (job,) = running(pilot)
    number = batch.jobs()[0]["number"]
    with batch.misbehaving(running=[number]):
        subprocess.run([DELETE[batch.system], job], check=True, capture_output=True)
        eventually(lambda: running(pilot) and job not in running(pilot), "a new node", within=200)
    pilot.cancel()
    assert not going_on(batch)


@on("pbs", "htcondor")
def test_a_supervisor_in_a_job_has_a_successor_that_waits_for_its_end(batch: FakeBatch) -> None:
    """HTCondor has no such waiting: there, the first job must last as long as the lease."""
    waits = batch.system != "htcondor"
    walltime = "20min" if waits else "2h"
    pilot = ph.submit(batch.system, nodes=1, memory="512 MiB", walltime=walltime, lease="1h", placement="job").wait(
        timeout=120
    )
    assert pilot.client().submit(sum, [1, 2]).result(timeout=60) == 3
    if waits:
        eventually(lambda: [job["reason"] for job in batch.jobs()][1:] == ["dependency"], "a successor", within=60)
    pilot.cancel()
    eventually(lambda: not going_on(batch), "no job is left", within=60)


@on("lsf")
def test_a_job_that_the_batch_system_has_forgotten_is_replaced_and_does_not_outlive_its_pilot(batch: FakeBatch) -> None:
    pilot = submit(batch, 1).wait(timeout=120)
    (job,) = running(pilot)
    number = batch.jobs()[0]["number"]
    with batch.misbehaving(forget=[number]):
        eventually(lambda: running(pilot) and job not in running(pilot), "a new node", within=200)
        forgotten = next(node for node in pilot.record.nodes if node.job == job)
        assert "does not know the job any more" in forgotten.reason
    pilot.cancel()
    eventually(lambda: not going_on(batch), "no job is left, not even the forgotten one", within=60)
