"""The set-point of nodes, beside a batch system that does as told: what is submitted, when, and what is given up."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.discovery import local_site
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.supervisor import trying
from pilothouse.pilots.supervisor.trying import LIMIT
from pilothouse.registry.naming import tag
from pilothouse.registry.records import PILOTS, NodeRecord, State
from pilothouse.runs.processes import NodeHost
from pilothouse.state import utcnow
from tests.unit.pilots.set_point_bench import Bench, Clock, run
from tests.waiting import eventually_async


@pytest.fixture
def clock(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(trying, "time", clock)
    return clock


def test_failures_in_a_row_come_less_and_less_often_and_end(clock: Clock) -> None:
    async def steps() -> None:
        bench, times = Bench(1), []
        for _ in range(400):
            clock.now += 0.5
            before = len(bench.queue.submitted)
            await bench.keep()
            if len(bench.queue.submitted) > before:
                times.append(clock.now)
                bench.end(bench.queue.submitted[-1])
        gaps = [late - early for early, late in pairwise(times)]
        assert len(times) == LIMIT
        assert gaps == sorted(gaps)
        assert gaps[0] < 3
        assert gaps[-1] >= 8
        assert bench.nodes.trying.exhausted == "5 nodes failed in a row, the last one: failed, exit code 1"
        bench.nodes.trying.again()
        await bench.keep()
        assert len(bench.queue.submitted) == LIMIT + 1, "the user changed something: it tries again"

    run(steps)


def test_a_node_that_came_up_makes_good_for_those_that_failed(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(1)
        for _ in range(3 * LIMIT):
            clock.now += 100
            await bench.keep()
            name = bench.queue.submitted[-1]
            if len(bench.queue.submitted) % 3 == 0:
                bench.connect(name)
            bench.end(name)
        assert not bench.nodes.trying.exhausted
        assert len(bench.queue.submitted) > LIMIT + 2

    run(steps)


def test_a_refusal_ends_a_pilot_without_nodes_and_is_told_by_one_with_nodes(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(3)
        bench.queue.error = Refused("sbatch: no such partition")
        await bench.keep()
        assert len(bench.queue.submitted) == 3, "side by side"
        assert bench.nodes.trying.exhausted == bench.nodes.summary == "sbatch: no such partition"
        assert not bench.record.nodes

        bench = Bench(1)
        await bench.keep()
        bench.connect("p-1")
        bench.record.wanted = {"node": 3}
        bench.queue.error = Refused("sbatch: over your limit")
        for _ in range(3):
            await bench.keep()
            assert bench.nodes.summary == "sbatch: over your limit"
        assert len(bench.queue.submitted) == 3, "one try for each, then it waits"
        clock.now += 1.1
        await bench.keep()
        assert len(bench.queue.submitted) == 4, "one alone, for there was no room"
        bench.queue.error = None
        clock.now += 2.1
        await bench.keep()
        assert len(bench.queue.submitted) == 6
        assert "over your limit" not in bench.nodes.summary

    run(steps)


def test_a_full_quota_neither_ends_a_pilot_with_jobs_nor_keeps_it_small_for_ever(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2)
        await bench.keep()
        bench.connect("p-1", "p-2")
        bench.nodes.renew()
        bench.queue.error = Refused("sbatch: over your limit")
        for _ in range(1200):
            clock.now += 0.5
            await bench.keep()
        assert not bench.nodes.trying.exhausted
        assert 10 < len(bench.events("refused")) < 20, "rarely in the end"
        assert [node.state.value for node in bench.record.nodes] == ["running", "running"]
        bench.queue.error = None
        for _ in range(140):
            clock.now += 0.5
            await bench.keep()
        assert [node.state.value for node in bench.record.nodes] == ["running", "running", "pending"]
        assert not bench.nodes.trying.refusal

    run(steps)


def test_pending_nodes_go_before_running_ones_the_latest_first(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(5)
        await bench.keep()
        bench.connect("p-1", "p-2", "p-4")
        bench.record.wanted = {"node": 2}
        await bench.keep()
        await asyncio.sleep(0)
        assert sorted(bench.queue.cancelled) == ["3", "4", "5"]
        assert [name for name, state in bench.states().items() if state == "running"] == ["p-1", "p-2"]

    run(steps)


def test_an_unanswered_submission_is_known_again_by_its_tag(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(1)
        bench.queue.then_error = Unavailable("sbatch did not answer")
        with pytest.raises(Unavailable):
            await bench.keep()
        bench.queue.then_error = None
        await bench.keep()
        assert [(node.name, node.job) for node in bench.record.nodes] == [("p-1", "1")]
        assert bench.queue.submitted == ["p-1"]
        assert not bench.queue.cancelled

    run(steps)


def test_jobs_that_no_node_wants_are_ended_but_those_of_a_namesake_are_not(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(1)
        for number, name in {"77": "p-9", "78": "p-two-1", "79": "other-1"}.items():
            bench.queue.jobs[number] = JobStatus(State.RUNNING, tag=tag(name))
        await bench.keep()
        await bench.keep()
        await asyncio.sleep(0)
        assert bench.queue.cancelled == ["77"]
        assert [event["job"] for event in bench.events("orphan ended")] == ["77"]

    run(steps)


def test_a_job_that_a_dead_predecessor_did_not_end_is_ended(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(1)
        for number, role in {"7": "first", "8": "node"}.items():  # this process may live in the first one's job
            bench.record.nodes.append(NodeRecord(name=f"p-{number}", job=number, role=role, state=State.FAILED))
            bench.queue.jobs[number] = JobStatus(State.RUNNING, tag=tag(f"p-{number}"))
        await bench.keep()
        await asyncio.sleep(0)
        assert bench.queue.cancelled == ["8"]

    run(steps)


def test_all_nodes_are_renewed_each_when_its_replacement_is_there(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2)
        await bench.keep()
        bench.connect("p-1", "p-2")
        bench.nodes.renew()
        for new, old in (("p-3", "p-1"), ("p-4", "p-2")):
            await bench.keep()
            await bench.keep()
            assert bench.states()[old] == "running"
            assert bench.queue.submitted[-1] == new
            bench.connect(new)
            await bench.keep()
            await asyncio.sleep(0)
            assert bench.states()[old] == "finished"
        await bench.keep()
        assert bench.queue.submitted == ["p-1", "p-2", "p-3", "p-4"]

    run(steps)


def test_the_job_that_holds_the_supervisor_is_not_given_back(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2)
        await bench.keep()
        bench.connect("p-1", "p-2")
        bench.record.nodes[0].role = "first"
        assert bench.nodes.renew() == ["p-2"]
        bench.record.wanted["node"] = 0
        await bench.keep()
        await asyncio.sleep(0)
        assert bench.queue.cancelled == ["2"]
        bench.nodes.book.mark(bench.record.nodes[0], State.STARTING, "its worker hangs")
        bench.record.nodes[0].since = utcnow() - timedelta(seconds=local_site().start_timeout + 1)
        await bench.keep()
        await asyncio.sleep(0)
        assert bench.states()["p-1"] == "failed"
        assert bench.queue.cancelled == ["2"]

    run(steps)


def test_of_a_node_that_is_overdue_the_batch_system_is_asked_first(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2)
        await bench.keep()
        bench.connect("p-1", "p-2")
        for node in bench.record.nodes:
            node.ends = utcnow() - timedelta(seconds=1)
        await bench.keep()
        assert bench.states() == {"p-1": "running", "p-2": "running"}
        bench.end("p-1", "timeout, its walltime was over")
        await bench.keep()
        assert (bench.states()["p-1"], bench.states()["p-2"]) == ("failed", "finished")

    run(steps)


def test_nodes_whose_walltimes_end_together_are_renewed_together(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(3)
        await bench.keep()
        bench.connect("p-1", "p-2", "p-3")
        for node in bench.record.nodes:
            node.started, node.ends = utcnow() - timedelta(seconds=500), utcnow() + timedelta(seconds=30)
        await bench.keep()
        await bench.keep()
        assert bench.queue.submitted[3:] == ["p-4", "p-5", "p-6"]
        assert [bench.states()[name] for name in ("p-1", "p-2", "p-3")] == ["running"] * 3
        bench.record.nodes[2].ends = utcnow() + timedelta(seconds=28)
        bench.connect("p-4")
        await bench.keep()
        left = [bench.states()[name] for name in ("p-1", "p-2", "p-3")]
        assert left == ["running", "running", "finished"], (
            "the one replacement that is there is for the first that ends"
        )
        bench.connect("p-5", "p-6")
        await bench.keep()
        await asyncio.sleep(0)
        assert [bench.states()[name] for name in ("p-1", "p-2", "p-3")] == ["finished"] * 3
        await bench.keep()
        assert len(bench.queue.submitted) == 6

    run(steps)


def test_nodes_that_are_never_replaced_lower_what_is_wanted(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(2, replace="never")
        await bench.keep()
        bench.connect("p-1", "p-2")
        bench.end("p-1")
        await bench.keep()
        assert bench.record.wanted == {"node": 1}
        walltime = next(node for node in bench.record.nodes if node.name == "p-2")
        walltime.ends = utcnow()
        await bench.keep()
        await bench.keep()
        assert bench.queue.submitted == ["p-1", "p-2"]
        assert (
            bench.nodes.trying.exhausted
            == "its nodes have ended and replace='never'; the last one: its walltime is over"
        )

    run(steps)


def test_a_node_whose_job_others_end_is_counted_once_and_says_what_the_batch_system_says(clock: Clock) -> None:
    """Whatever that says of its time meanwhile."""

    async def steps() -> None:
        bench = Bench(2, replace="never")
        await bench.keep()
        bench.connect("p-1", "p-2")
        bench.nodes._told_to_end("p-1", 5.0)
        next(node for node in bench.record.nodes if node.name == "p-1").ends = utcnow()
        await bench.keep()
        bench.end("p-1", "cancelled, signal 15")
        await bench.keep()
        (ended,) = (node for node in bench.record.nodes if node.state.ended)
        assert (ended.name, ended.reason) == ("p-1", "cancelled, signal 15")
        assert bench.record.wanted == {"node": 1}
        assert bench.states()["p-2"] == "running"

    run(steps)


def test_only_the_latest_ended_nodes_stay_in_view(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(1)
        for number in range(1, 10):
            clock.now += 100
            await bench.keep()
            bench.connect(f"p-{number}")
            bench.end(f"p-{number}")
        await bench.keep()
        ended = [node for node in bench.record.nodes if node.state.ended]
        assert [node.name for node in ended] == [f"p-{number}" for number in range(5, 10)]
        kept = (PILOTS.folder("p") / "nodes.jsonl").read_text().splitlines()
        assert [NodeRecord.model_validate_json(line).name for line in kept] == [f"p-{n}" for n in range(1, 10)]

    run(steps)


def test_whoever_gives_out_work_knows_how_long_nodes_last(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(1, walltime=600)
        await bench.keep()
        (node,) = bench.record.nodes
        node.started, node.ends = utcnow(), utcnow() + timedelta(seconds=600)
        bench.connect("p-1")
        terms = bench.nodes._terms
        term = terms.of_node("p-1")
        assert term is not None
        assert term.left == pytest.approx(term.whole, abs=1)
        assert term.whole == pytest.approx(600 - 30 - 3, abs=1)
        assert term.walltime == pytest.approx(600, abs=1)
        assert (term.renewed, terms.longest()) == (False, 600)
        node.started, node.ends = utcnow() - timedelta(seconds=550), utcnow() + timedelta(seconds=50)
        await bench.keep()
        assert terms.renewed("p-1")
        bench.connect("p-2")
        await bench.keep()
        assert terms.given_back == {"p-1"}

    run(steps)


def test_a_node_of_an_earlier_supervisor_is_unheard_of_until_it_connects_or_ends(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(3)
        for number in (1, 2, 3):
            bench.queue.jobs[str(number)] = JobStatus(State.RUNNING, tag=tag(f"p-{number}"))
            came = utcnow() if number < 3 else None
            bench.record.nodes.append(NodeRecord(name=f"p-{number}", job=str(number), connected=came, since=utcnow()))
        bench.record.generation, bench.record.next_node = 2, 4
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={}, add_plugin=lambda _: None)
        host = NodeHost(scheduler)
        bench.nodes.watch(scheduler, host)
        await bench.keep()
        assert host.unheard()
        bench.connect("p-1")
        assert host.unheard()
        bench.end("p-2")
        await bench.keep()
        assert not host.unheard(), "the third never came up"

    run(steps)


def test_a_node_that_is_not_heard_of_in_time_has_ended_only_when_the_batch_system_says_so(clock: Clock) -> None:
    async def steps() -> None:
        bench = Bench(1)
        bench.queue.jobs["1"] = JobStatus(State.RUNNING, tag=tag("p-1"))
        node = NodeRecord(name="p-1", job="1", connected=utcnow(), started=utcnow(), since=utcnow())
        bench.record.nodes.append(node)
        bench.record.generation, bench.record.next_node = 2, 2
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={}, add_plugin=lambda _: None)
        host = NodeHost(scheduler)
        bench.nodes.watch(scheduler, host)
        await bench.keep()
        node.since = utcnow() - timedelta(hours=1)
        bench.queue.lasting = {"1"}
        await bench.keep()
        assert node.state is State.FAILED
        await eventually_async(lambda: "has not for 600 s" in node.reason, "it is said that it goes on")
        assert bench.queue.cancelled == ["1"]
        assert host.unheard()
        bench.queue.lasting.clear()
        await eventually_async(lambda: not host.unheard())

    run(steps)
