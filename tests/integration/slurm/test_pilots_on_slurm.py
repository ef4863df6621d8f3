"""Pilots on a real Slurm: what users do with them, and what they see."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.pilots import Pilot
from pilothouse.registry.naming import tag
from pilothouse.state import utcnow
from tests.slurm.login_node import LoginNode, happened, running
from tests.waiting import eventually


def said(pilot: Pilot, node: str, text: str) -> bool:
    return text in pilot.logs(node)


def jobs(pilot: Pilot) -> set[str]:
    """Of the nodes that are running."""
    return {node.job for node in running(pilot)}


def test_a_task_runs_on_nodes_of_the_cluster(login: LoginNode) -> None:
    calls = login.count("sbatch")
    pilot = login.submit(nodes=4, name="first")
    assert repr(pilot).startswith("<Pilot 'first' on slurm, 0/4 nodes, ")
    pilot.wait(timeout=60)
    jobs = {job.id: job for job in login.alive()}
    assert {node.job for node in pilot.nodes} == set(jobs)
    assert {job.name for job in jobs.values()} == {tag("first-1")}, "they are members of one array"
    assert len(calls.read_text().splitlines()) == 1
    where = pilot.client().run(os.getenv, "SLURMD_NODENAME")
    eventually(lambda: sorted(where.values()) == sorted(node.host for node in pilot.nodes))
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
    left = eventually(lambda: [node.time_left for node in pilot.nodes if node.time_left])
    assert all(500 < seconds <= 600 for seconds in left)
    for node in pilot.nodes:
        submitted = login.cluster.run("scontrol", "write", "batch_script", node.job, "-").stdout
        assert pilot.script(node.name).strip() == submitted.strip()
        assert '--name "$pilothouse_node"' in submitted
        eventually(partial(said, pilot, node.name, "Start worker at"), "a log of its own")
    assert "PRIVATE KEY" not in submitted
    cost = pilot.cost()
    assert 0 < cost["node_hours"] == cost["core_hours"] < 4 / 60
    assert 0 < cost["queue_hours"] < 4 / 60
    assert cost["gpu_hours"] == 0
    pilot.cancel()
    assert pilot.state == "finished"
    assert not login.alive()
    eventually(lambda: not login.processes(), "the end of its processes")
    assert pilot.cost()["node_hours"] >= cost["node_hours"]


def test_pending_nodes_say_why_and_when_they_should_start_and_go_first(login: LoginNode) -> None:
    three = login.cluster.submit("sleep 600", "-N3", "--exclusive", "--time=20")
    one = login.cluster.submit("sleep 600", "-N1", "--exclusive", "--time=20")
    eventually(lambda: {job.state for job in login.alive()} == {"RUNNING"})
    pilot = login.submit(nodes=2, exclusive=True)
    eventually(lambda: sum(node.expected_start is not None for node in pilot.nodes) == 2, "expected starts")
    eventually(lambda: pilot.state == "pending", "a pilot that waits")
    assert {node.state for node in pilot.nodes} == {"pending"}
    assert "Resources: no node that fits is free" in {node.reason for node in pilot.nodes}
    assert pilot.reason.startswith("2 nodes wait in the queue: ")
    assert "; expected start 20" in pilot.reason
    for node in pilot.nodes:
        assert node.expected_start is not None
        assert timedelta(minutes=10) < node.expected_start - utcnow() < timedelta(minutes=61)
    login.cluster.run("scancel", one)
    pilot.wait(nodes=1, timeout=60)
    eventually(lambda: pilot.reason.startswith("1 node waits in the queue: Resources"), "the other one's reason")
    assert pilot.state == "running"
    kept = running(pilot)[0]
    pilot.shrink(1)
    eventually(lambda: len(login.alive()) == 2, "the pending job's end")
    assert [node.name for node in running(pilot)] == [kept.name]
    gone = eventually(lambda: happened(pilot, "node finished"), "the end of its node")
    assert [event["reason"] for event in gone] == ["shrunk"]
    assert gone[0]["node"] != kept.name
    pilot.cancel()
    assert [job.id for job in login.alive()] == [three]


def keep(value: int, written: str) -> int:
    """`value`, and a line that says so: a task that is computed again leaves two."""
    with open(written, "a") as file:
        file.write(f"{value}\n")
    return value


def test_it_grows_and_shrinks_and_what_leaving_nodes_hold_moves_first(login: LoginNode, tmp_path: Path) -> None:
    pilot = login.submit(nodes=1).wait(timeout=60)
    pilot.scale(4).wait(timeout=60)
    assert len(jobs(pilot)) == 4
    client, written = pilot.client(), str(tmp_path / "written")
    futures = [client.submit(keep, number, written, workers=[node.name]) for number, node in enumerate(running(pilot))]
    assert client.gather(futures) == [0, 1, 2, 3]
    pilot.scale(2)
    eventually(lambda: len(login.alive()) == 2, "two jobs' end")
    eventually(lambda: len(happened(pilot, "node finished")) == 2)
    assert {event["reason"] for event in happened(pilot, "node finished")} == {"shrunk"}
    assert not happened(pilot, "node failed")
    assert client.gather(futures) == [0, 1, 2, 3]
    assert sorted(Path(written).read_text().split()) == ["0", "1", "2", "3"], "nothing was computed again"
    assert jobs(pilot) == {job.id for job in login.alive()}


def test_nodes_that_others_end_are_replaced(login: LoginNode) -> None:
    pilot = login.submit(nodes=2).wait(timeout=60)
    first, second = running(pilot)
    login.cluster.run("scancel", first.job)
    failed = eventually(lambda: happened(pilot, "node failed"), "the end of the first node")
    assert failed[0]["node"] == first.name
    assert failed[0]["reason"].startswith("cancelled")
    eventually(lambda: first.job not in jobs(pilot), "the record, which follows the journal")
    pilot.wait(timeout=60)
    process = next(
        pid for address, pid in pilot.client().run(os.getpid).items() if address == running(pilot)[0].address
    )
    psutil.Process(process).kill()
    failed = eventually(lambda: happened(pilot, "node failed")[1:], "the end of the second node")
    assert failed[0]["node"] == second.name
    assert "signal 9" in failed[0]["reason"] or "exit code 137" in failed[0]["reason"]
    eventually(lambda: second.job not in jobs(pilot), "the record, which follows the journal")
    pilot.wait(timeout=60)
    assert jobs(pilot) == {job.id for job in login.alive()}
    assert not {first.job, second.job} & jobs(pilot)
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3


def test_kinds_of_nodes_with_their_features_and_resources(login: LoginNode) -> None:
    big = {"nodes": 1, "cores": 2, "constraint": "fast", "resources": {"BIG": 1}}
    pilot = login.submit(nodes=1, kinds={"big": big}).wait(timeout=60)
    client = pilot.client()
    where = client.submit(os.getenv, "SLURMD_NODENAME", resources={"BIG": 1}, pure=False).result(timeout=30)
    assert where in ("n3", "n4")
    nodes = {node.kind: node for node in running(pilot)}
    threads = {address: worker["nthreads"] for address, worker in client.scheduler_info(-1)["workers"].items()}
    assert threads == {nodes["node"].address: 1, nodes["big"].address: 2}
    assert login.cluster.run("squeue", "-h", "-j", nodes["big"].job, "-o", "%C").stdout.strip() == "2"
    pilot.extend(1, kind="big", walltime="20min").wait(timeout=60)
    left = eventually(lambda: [n.time_left for n in running(pilot) if n.kind == "big" and n.time_left][1:])
    assert left[0] > 1000
    with pytest.raises(InvalidInput, match="no such kind of node; it has 'node', 'big'"):
        pilot.shrink(1, kind="small")
    pilot.shrink(2, kind="big")
    eventually(lambda: [job.id for job in login.alive()] == [nodes["node"].job], "the end of the big ones")


def test_pilots_of_two_sites_are_where_they_were_asked_for(login: LoginNode) -> None:
    login.site("short", defaults={"queue": "debug", "walltime": "2:00"})
    given = {"memory": None, "directives": ["#SBATCH --mem=700M"]}
    pilots = [login.submit(nodes=1), login.submit("short", nodes=1, walltime=None, **given)]
    partitions = []
    for pilot in pilots:
        job = pilot.wait(timeout=60).nodes[0].job
        partitions.append(login.cluster.job(job).partition)
    assert partitions == ["normal", "debug"]
    assert [pilot.site for pilot in pilots] == ["slurm", "short"]
    pilots[0].cancel()
    assert [job.partition for job in login.alive()] == ["debug"]
    client = pilots[1].client()
    assert client.submit(sum, [1, 2]).result(timeout=30) == 3
    (worker,) = client.scheduler_info(-1)["workers"].values()
    assert worker["memory_limit"] == 700 * 2**20  # the job's, not a share of the host


def test_all_pilots_together_ask_once(login: LoginNode) -> None:
    login.site(poll_most=1)
    calls = login.folder / "calls"
    login.wrap("squeue", f'date +%s.%N >> {calls}; exec "$real" "$@"')
    pilots = [login.submit(nodes=1) for _ in range(2)]
    for pilot in pilots:
        pilot.wait(timeout=60)
    eventually(lambda: all(node.ends for pilot in pilots for node in pilot.nodes), "both have heard of their jobs")

    def rare() -> bool:
        """Whether the latest five were a second apart: two that ask each second can't do that."""
        times = [float(line) for line in calls.read_text().split()][-5:]
        return min(late - early for early, late in pairwise(times)) > 0.9

    eventually(rare, "a time in which calls are rare")
    job = pilots[1].nodes[0].job
    login.cluster.run("scancel", job)
    eventually(lambda: [node.job for node in pilots[1].nodes if node.state == "failed"] == [job])


def test_a_new_process_finds_the_pilot_and_computes_on_it(login: LoginNode) -> None:
    pilot = login.submit(nodes=1, name="found").wait(timeout=60)
    code = "import pilothouse as ph; print(ph.attach('found').client().submit(sum, [20, 22]).result())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "42\n"
    assert pilot.state == "running"
