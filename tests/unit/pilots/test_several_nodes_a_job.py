"""Jobs of several nodes: how many there may be, what is submitted, and what one of them means for the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.errors import InvalidInput, Refused, Unavailable
from pilothouse.pilots.previewing import preview
from pilothouse.pilots.queues.discovery import describe, site_named, sites
from pilothouse.pilots.queues.jobs import node_job, script_of
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.sites.schema import form_schema
from pilothouse.pilots.sites.site import Site
from pilothouse.pilots.supervisor import same_job, trying
from pilothouse.pilots.supervisor.trying import LIMIT
from pilothouse.registry.naming import tag
from pilothouse.registry.records import PILOTS, NodeRecord, State
from pilothouse.state import utcnow
from tests.unit.pilots.fake_commands import FakeCommands
from tests.unit.pilots.set_point_bench import Bench, Clock, run
from tests.waiting import eventually_async

SINFO = "normal*|2:00:00|8|16000|fast|(null)|up"


@pytest.fixture
def site(host: FakeCommands, admin: Callable[[str], Path]) -> Site:
    """Slurm, where a job has four nodes, and a pilot ten at most."""
    host.prints("sinfo", SINFO)
    admin("[slurm]\nnodes_per_job = 4\nnodes = 10")
    return site_named("slurm")


@pytest.fixture
def clock(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The set-point's."""
    clock = Clock()
    for module in (trying, same_job):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_without_a_number_a_pilot_has_one_job(site: Site) -> None:
    assert describe(site="slurm")[0].nodes == 4
    assert describe(site="slurm", nodes=8)[0].nodes == 8
    assert describe(site="slurm", kinds={"big": {"cores": 8}})[0].wanted() == {"node": 4, "big": 4}


def test_a_default_of_the_site_is_lowered_to_whole_jobs(site: Site, user: Callable[[str], Path]) -> None:
    user("[slurm]\ndefaults = { nodes = 12 }")
    assert describe(site="slurm")[0].nodes == 8


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"nodes": 5}, "nodes=5: at site 'slurm' a job has 4 nodes: take 4 or 8"),
        ({"nodes": 1}, "nodes=1: at site 'slurm' a job has 4 nodes: take 4"),
        ({"nodes": 9}, "nodes=9: at site 'slurm' a job has 4 nodes: take 8"),
        ({"kinds": {"gpu": {"nodes": 2}}}, "kinds.gpu.nodes=2: at site 'slurm' a job has 4 nodes: take 0 or 4"),
        ({"placement": "job"}, "placement='job': nodes_per_job=4 of site 'slurm' leaves no job to a supervisor and"),
    ],
)
def test_what_is_no_whole_job_is_refused_with_what_would_be(site: Site, asked: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        describe(site="slurm", **asked)
    assert str(raised.value).startswith(message)
    assert raised.value.field == message.partition("=")[0]


def test_systems_that_can_not_have_it_say_so(host: FakeCommands, admin: Callable[[str], Path]) -> None:
    admin("[local]\nnodes_per_job = 2")
    with pytest.raises(InvalidInput, match="nodes_per_job=2 of site 'local': on local a job is one node; several are "):
        describe(site="local")


def test_the_table_of_sites_says_so(site: Site) -> None:
    assert {row["site"]: row["about"] for row in sites().rows()}["slurm"] == "4 nodes a job"


def test_an_admins_number_is_no_users(site: Site, user: Callable[[str], Path]) -> None:
    user("[slurm]\nnodes_per_job = 1")
    assert site_named("slurm").nodes_per_job == 4


def test_the_form_counts_in_whole_jobs(site: Site) -> None:
    schema = form_schema(site)
    assert schema["$defs"]["NodeKind"]["properties"]["nodes"]["default"] == 4
    nodes = schema["properties"]["nodes"]
    assert (nodes["multipleOf"], nodes["default"], nodes["maximum"]) == (4, 4, 10)
    assert nodes["description"].endswith("A job has 4.")


def test_the_script_is_for_all_of_them(site: Site, host: FakeCommands) -> None:
    host.prints("sbatch", "")
    (job,) = preview("slurm", name="p", cores=2).jobs
    assert "#SBATCH -N 4\n" in job.script
    assert "#SBATCH -n 4\n" in job.script
    assert "#SBATCH -n 1\n" not in job.script
    assert "pilothouse_node=p-$((1 + $1))\n" in job.script
    assert '--name "$pilothouse_node" ' in job.script
    assert "\nexec srun --nodes=4 --ntasks=4 --cpus-per-task=2 --ntasks-per-node=1 " in job.script


def test_a_job_s_nodes_come_together_and_its_script_is_that_of_each(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(4, site={"nodes_per_job": 2})
        await bench.keep()
        assert bench.queue.submitted == ["p-1", "p-3"]
        assert [(node.name, node.rank, node.job) for node in bench.record.nodes] == [
            ("p-1", 0, "1"), ("p-2", 1, "1"), ("p-3", 0, "2"), ("p-4", 1, "2"),
        ]  # fmt: skip
        assert script_of(bench.record, "p-4") == script_of(bench.record, "p-3")
        assert node_job(bench.record, bench.record.nodes[2], bench.nodes.description.kind()).nodes == 2
        await bench.keep()
        assert len(bench.queue.submitted) == 2

    run(steps)


def test_a_refused_job_leaves_none_of_its_nodes_and_an_unanswered_one_is_found_for_all(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2, site={"nodes_per_job": 2})
        bench.queue.then_error = Unavailable("sbatch did not answer")
        with pytest.raises(Unavailable):
            await bench.keep()
        assert [node.job for node in bench.record.nodes] == ["", ""]
        bench.queue.then_error = None
        await bench.keep()
        assert [node.job for node in bench.record.nodes] == ["1", "1"]
        assert bench.queue.cancelled == []
        bench.record.wanted["node"] = 4
        bench.queue.error = Refused("no")
        await bench.keep()
        assert [node.name for node in bench.record.nodes] == ["p-1", "p-2"]

    run(steps)


def test_jobs_that_fail_are_counted_and_not_their_nodes(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(3, site={"nodes_per_job": 3})
        for _ in range(400):
            clock.now += 0.5
            before = len(bench.queue.submitted)
            await bench.keep()
            if len(bench.queue.submitted) > before:
                bench.end(bench.queue.submitted[-1])
        assert len(bench.queue.submitted) == LIMIT
        assert bench.nodes.trying.exhausted.startswith(f"{LIMIT} nodes failed in a row")

    run(steps)


def test_a_job_of_which_one_node_never_comes_is_a_failure_though_the_other_came(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2, site={"nodes_per_job": 2})
        await bench.keep()
        bench.connect("p-1")
        bench.end("p-1")
        await bench.keep()
        await bench.keep()
        assert bench.queue.submitted == ["p-1"], "it waits a second"
        clock.now += 1.5
        await bench.keep()
        assert bench.queue.submitted == ["p-1", "p-3"]

    run(steps)


def running(bench: Bench) -> None:
    """All nodes that there are, with workers."""
    for node in bench.record.nodes:
        bench.queue.jobs[node.job] = JobStatus(State.RUNNING, tag=tag(node.first))
        bench.connect(node.name)
        node.started = utcnow()


def ended(bench: Bench, name: str, code: int) -> None:
    """The node's process says that it has ended; its worker is gone."""
    (PILOTS.folder("p") / f"{name}.process").write_text(f"host-of-{name}\n{code}\n")
    bench.nodes._disconnected(next(node for node in bench.record.nodes if node.name == name))


def test_a_damaged_job_is_replaced_as_a_whole(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(4, site={"nodes_per_job": 2})
        await bench.keep()
        running(bench)
        ended(bench, "p-2", 139)
        await bench.keep()
        assert bench.states()["p-2"] == "starting", "the batch system may have ended the job"
        clock.now += 2
        await bench.keep()
        assert bench.states() == {"p-1": "running", "p-2": "failed", "p-3": "running", "p-4": "running"} | {
            "p-5": "pending", "p-6": "pending",
        }  # fmt: skip
        nodes = {node.name: node for node in bench.record.nodes}
        assert (nodes["p-2"].host, nodes["p-2"].exit_code) == ("host-of-p-2", 139)
        assert nodes["p-2"].reason == "its process ended with 139; its job goes on"
        assert nodes["p-1"].leaving
        bench.connect("p-5")
        await bench.keep()
        assert bench.states()["p-1"] == "running", "there are three without it"
        bench.connect("p-6")
        await bench.keep()
        await eventually_async(lambda: bench.states()["p-1"] == "finished", "its end")
        assert bench.queue.cancelled == ["1"]

    run(steps)


def test_a_job_is_ended_once_when_all_its_nodes_are_empty(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(4, site={"nodes_per_job": 2})
        await bench.keep()
        running(bench)
        bench.record.wanted["node"] = 2
        await bench.keep()
        left = {"p-1": "running", "p-2": "running", "p-3": "finished", "p-4": "finished"}
        await eventually_async(lambda: bench.states() == left, "the end of the second job")
        assert bench.queue.cancelled == ["2"]
        assert await bench.nodes.keep() is False
        await bench.nodes.giving_back.cancel_all()
        assert bench.queue.cancelled == ["2", "1"]

    run(steps)


def test_of_jobs_that_all_lose_a_node_no_more_are_kept_than_are_wanted(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(3, site={"nodes_per_job": 3})
        for number in (1, 4, 7):
            clock.now += 10
            await bench.keep()
            running(bench)
            for lost in range(number, number + (2 if number == 1 else 1)):
                ended(bench, f"p-{lost}", 1)
            await bench.keep()
            clock.now += 2
            await bench.keep()
        assert [name for name, state in bench.states().items() if state == "running"] == ["p-8", "p-9"]
        await eventually_async(lambda: bench.queue.cancelled == ["1", "2"], "the end of the others")

    run(steps)


def test_with_a_node_that_is_not_heard_of_its_whole_job_is_given_up(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2, site={"nodes_per_job": 2})
        await bench.keep()
        running(bench)
        lost: NodeRecord = bench.record.nodes[0]
        bench.nodes._disconnected(lost)
        lost.since = utcnow() - timedelta(hours=1)
        await bench.keep()
        left = {"p-1": "failed", "p-2": "finished", "p-3": "pending", "p-4": "pending"}
        await eventually_async(lambda: bench.states() == left, "the next job")
        assert bench.queue.cancelled == ["1"]

    run(steps)


def test_where_nothing_is_replaced_the_rest_of_a_job_goes_on(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(4, site={"nodes_per_job": 2}, replace="never")
        await bench.keep()
        running(bench)
        ended(bench, "p-2", 1)
        await bench.keep()
        clock.now += 2
        await bench.keep()
        assert bench.record.wanted == {"node": 3}
        assert bench.states() == {"p-1": "running", "p-2": "failed", "p-3": "running", "p-4": "running"}
        assert bench.queue.submitted == ["p-1", "p-3"]
        bench.record.wanted["node"] = 4
        await bench.keep()
        await bench.keep()
        await eventually_async(lambda: bench.states()["p-1"] == "finished", "the end of what is no whole job")
        assert bench.queue.submitted == ["p-1", "p-3", "p-5"]
        assert [bench.states()[name] for name in ("p-3", "p-5")] == ["running", "pending"]

    run(steps)
