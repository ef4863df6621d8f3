"""Submission where something is in the way: a record or a script that can't be written, a system that is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.supervisor import trying
from pilothouse.pilots.supervisor.submitting import AT_ONCE
from pilothouse.registry.naming import tag
from pilothouse.registry.records import PILOTS, NodeRecord, State
from pilothouse.state import utcnow
from tests.unit.conftest import Disk
from tests.unit.pilots.set_point_bench import Bench, Clock


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(steps())


def test_no_job_is_without_a_record_and_no_record_without_a_job(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps() -> None:
        bench = Bench(3)

        def refuse(now: bool = False) -> None:
            if now:
                raise Unavailable("the record can't be written")

        monkeypatch.setattr(bench.nodes._submitting, "_changed", refuse)
        for _ in range(3):
            with pytest.raises(Unavailable, match="the record"):
                await bench.keep()
        assert not bench.queue.submitted
        assert (bench.record.nodes, bench.record.next_node) == ([], 1)
        monkeypatch.setattr(bench.nodes._submitting, "_changed", lambda *_: None)
        assert not await bench.nodes.keep(), "nothing more to submit"
        assert bench.queue.submitted == ["p-1", "p-2", "p-3"]

    run(steps)


def test_a_script_that_cannot_be_kept_keeps_no_node_from_coming(state_home: Path, disk: Disk) -> None:
    async def steps() -> None:
        bench = Bench(2)
        tag()  # this state folder's own word is written once
        disk.full = True
        await bench.keep()
        assert bench.queue.submitted == ["p-1", "p-2"]
        assert not list(PILOTS.root.rglob("*.sh"))

    run(steps)


def test_of_those_side_by_side_each_has_its_own_answer(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps() -> None:
        bench = Bench(AT_ONCE + 2)
        submit = bench.queue.submit

        async def some(job: Any) -> str:
            number = await submit(job)
            if job.name == "p-2":
                del bench.queue.jobs[number]
                raise Refused("over your limit")
            if job.name == "p-3":
                raise Unavailable("no answer")
            return number

        monkeypatch.setattr(bench.queue, "submit", some)
        with pytest.raises(Unavailable, match="no answer"):
            await bench.keep()
        assert [(node.name, node.job) for node in bench.record.nodes] == [("p-1", "1"), ("p-3", ""), ("p-4", "4")]
        await bench.keep()
        assert len(bench.record.nodes) == AT_ONCE + 2
        assert {node.name: node.job for node in bench.record.nodes}["p-3"] == "3", "it was in the queue"

    run(steps)


def test_the_end_of_a_pilot_is_that_of_jobs_too_whose_submission_was_not_answered(state_home: Path) -> None:
    async def steps() -> None:
        bench = Bench(1)
        bench.queue.then_error = Unavailable("sbatch did not answer")
        with pytest.raises(Unavailable):
            await bench.keep()
        await bench.nodes.giving_back.cancel_all()
        assert bench.queue.cancelled == ["1"]

    run(steps)


def test_trouble_is_told_until_there_is_an_answer(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps() -> None:
        bench = Bench(1)
        await bench.keep()
        statuses = bench.queue.statuses

        async def not_yet(ids: Sequence[str]) -> dict[str, JobStatus] | None:
            return None

        monkeypatch.setattr(bench.queue, "statuses", not_yet)
        bench.nodes.trouble = "squeue does not answer"
        for _ in range(3):
            await bench.keep()
            assert bench.nodes.summary == "squeue does not answer"
        monkeypatch.setattr(bench.queue, "statuses", statuses)
        await bench.keep()
        assert bench.nodes.summary == "1 node waits in the queue: Priority"

    run(steps)


def test_a_pilot_that_has_never_submitted_anything_asks_for_nothing(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps() -> None:
        bench, asked = Bench(1), []
        statuses = bench.queue.statuses

        async def count(ids: Sequence[str]) -> dict[str, JobStatus]:
            asked.append(list(bench.queue.submitted))
            return await statuses(ids)

        monkeypatch.setattr(bench.queue, "statuses", count)
        await bench.keep()
        assert asked == [["p-1"]], "only after it"
        bench.record.nodes = [NodeRecord(name="p-1", state=State.FAILED)]
        bench.record.wanted = {"node": 0}
        await bench.keep()
        assert len(asked) == 2

    run(steps)


def test_a_job_that_still_ends_takes_the_place_in_the_quota_for_a_moment(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(trying, "time", clock)

    async def steps() -> None:
        bench = Bench(1)
        await bench.keep()
        bench.connect("p-1")
        bench.record.nodes[0].ends = utcnow() + timedelta(seconds=5)
        bench.queue.error = Refused("sbatch: over your limit")
        await bench.nodes.keep()
        assert bench.states() != {"p-1": "running"}
        assert bench.events("refused")
        await asyncio.sleep(0.01)
        assert not bench.nodes.trying.exhausted
        bench.queue.error = None
        clock.now += 2
        await bench.keep()
        assert "pending" in bench.states().values()

    run(steps)
