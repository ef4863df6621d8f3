"""A pilot whose places are lent, such as workers of a Dask cluster: its nodes come and go with these."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.supervisor import trying
from pilothouse.pilots.supervisor.trying import LIMIT
from pilothouse.registry.records import State
from tests.unit.pilots.set_point_bench import Bench, Clock, FakeQueue


class FakeLender(FakeQueue):
    """A batch system with so many places as the test says."""

    places: int | None = None
    gone = ""


def leave(bench: Bench, name: str) -> None:
    """The place of the node is taken away, and the node with it."""
    job = next(node.job for node in bench.record.nodes if node.name == name)
    bench.queue.jobs[job] = JobStatus(State.FINISHED, "its place has gone")


def test_nodes_follow_the_places_and_one_that_goes_with_its_own_is_no_failure(state_home: Path) -> None:
    async def steps() -> None:
        queue = FakeLender()
        bench = Bench(2, queue=queue, replace="failed")
        await bench.keep()
        assert bench.states() == {"p-1": "pending", "p-2": "pending"}, "nothing is known yet: as many as were asked for"
        queue.places = 3
        await bench.keep()
        assert list(bench.states()) == ["p-1", "p-2", "p-3"]
        bench.connect("p-1")
        for left in (2, 1):
            leave(bench, f"p-{left + 1}")
            queue.places = left
            await bench.keep()
        assert bench.states() == {"p-1": "running", "p-2": "finished", "p-3": "finished"}
        assert (bench.record.nodes_wanted, queue.cancelled) == (1, [])
        for _ in range(2 * LIMIT):  # one place, which comes and goes before any node is up
            queue.places = 2
            await bench.keep()
            leave(bench, queue.submitted[-1])
            queue.places = 1
            await bench.keep()
        assert len(queue.submitted) == 3 + 2 * LIMIT, "each time it came, there was a node"
        assert bench.nodes.trying.exhausted == ""

    asyncio.run(steps())


def test_a_node_that_is_told_to_end_has_no_successor_before_there_is_a_place(state_home: Path) -> None:
    async def steps() -> None:
        queue = FakeLender()
        bench = Bench(1, queue=queue, replace="failed")
        queue.places = 1
        await bench.keep()
        bench.connect("p-1")
        bench.nodes._told_to_end("p-1", 5.0)
        await bench.keep()
        assert queue.submitted == ["p-1"]
        leave(bench, "p-1")
        await bench.keep()
        assert queue.submitted == ["p-1", "p-2"], "one waits, where there is no place"

    asyncio.run(steps())


def test_a_node_that_fails_in_its_place_counts_as_everywhere(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(trying, "time", clock)

    async def steps() -> None:
        queue = FakeLender()
        bench = Bench(1, queue=queue, replace="failed")
        queue.places = 1
        for _ in range(3 * LIMIT):
            clock.now += 100
            await bench.keep()
            if not bench.nodes.trying.exhausted:
                bench.end(queue.submitted[-1])
        assert bench.nodes.trying.exhausted.startswith(f"{LIMIT} nodes failed in a row")
        assert len(queue.submitted) == LIMIT

    asyncio.run(steps())
