"""Dask's functions on nodes whose walltimes are over, with a real scheduler and workers in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Failed
from pilothouse.pilots.node.exits import NodeEnds, Running
from pilothouse.pilots.node.pages import Scheduler, Worker
from pilothouse.pilots.supervisor.departing import Departing
from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.runs.cores import Capacity
from pilothouse.runs.processes import NodeHost
from pilothouse.runs.terms import Term, Terms
from pilothouse.state import utcnow
from tests.waiting import eventually_async

WALLTIME = 100.0


class Bench:
    """A pilot of nodes that have as long as the test says."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self._nodes: dict[str, NodeRecord] = {}
        self._there: dict[str, Term] = {}

    async def start(self) -> None:
        from distributed import Client

        record = PilotRecord(name="p", site="local", state=State.RUNNING, created=utcnow())
        ends = NodeEnds(record, self._folder, lambda: None)
        self.scheduler: Any = await self._enter(Scheduler(ends=ends, host="127.0.0.1", port=0, dashboard=False))
        self.client: Any = await self._enter(Client(self.scheduler.address, asynchronous=True))
        self.terms = Terms.of(self.scheduler)
        self.departing = Departing(self.scheduler, NodeHost(self.scheduler), asking=None)  # type: ignore[arg-type]

    async def _enter(self, found: Any) -> Any:
        return await self._stack.enter_async_context(found)

    async def add(self, node: str, left: float, *, renewed: bool = False) -> None:
        """A node that has so many seconds left."""
        self.tell(node, left, renewed=renewed)
        worker = await self._enter(
            Worker(
                self.scheduler.address, running=Running(Running.path(self._folder, node)), name=node, nthreads=2,
                local_directory=str(self._folder / node), dashboard=False, host="127.0.0.1",
            )
        )  # fmt: skip
        self._nodes[node] = NodeRecord(name=node, state=State.RUNNING, address=worker.address)

    def tell(self, node: str, left: float, *, renewed: bool = False) -> None:
        self._there[node] = Term(time.monotonic() + left, WALLTIME, WALLTIME, renewed)
        self.terms.tell(self._there, [(Capacity(2), WALLTIME)], replaced=True)

    async def give_back(self, node: str, ran: float, left: float = 0.0) -> None:
        """The pilot gives a node back; what is at work there has been for so many seconds."""
        self.tell(node, left)
        worker = self.scheduler.workers[self._nodes[node].address]
        await eventually_async(lambda: worker.processing, "something at work")
        self.terms.given_back.add(node)
        self.departing.announce(self._nodes[node])
        worker.executing = dict.fromkeys(worker.processing, ran)
        await self.departing.empty(self._nodes[node], 0.0)

    def at(self, future: Any) -> str:
        """The node where the function is; empty while it waits for one."""
        worker = self.scheduler.tasks[future.key].processing_on
        return str(worker.name) if worker is not None else ""


async def forever() -> None:
    await asyncio.Event().wait()


going_on = threading.Event()


def patient(number: int) -> int:
    assert going_on.wait(30)
    return number


def run(folder: Path, steps: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            bench = Bench(stack, folder)
            await bench.start()
            await steps(bench)

    asyncio.run(main())


def test_a_function_that_was_cut_off_waits_for_a_node_where_it_has_time(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        await bench.add("a", 30)
        future = bench.client.submit(forever, pure=False)
        await eventually_async(lambda: bench.at(future) == "a")
        await bench.add("b", 40)
        await bench.give_back("a", 25.0)
        assert bench.scheduler.tasks[future.key].state == "no-worker"
        assert bench.scheduler.holds, "the pilot is not idle"
        await bench.add("c", 70)
        await eventually_async(lambda: bench.at(future) == "c")
        assert not bench.scheduler.holds
        other = bench.client.submit(forever, pure=False)
        await eventually_async(lambda: bench.at(other) == "b", "what was never cut off may begin anywhere")

    run(tmp_path, steps)


def test_a_function_that_no_node_lasts_for_fails_and_says_why(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        await bench.add("a", WALLTIME)
        future = bench.client.submit(forever, pure=False)
        after = bench.client.submit(lambda _: 1, future, pure=False)
        await eventually_async(lambda: bench.at(future) == "a")
        await bench.add("b", WALLTIME)
        await bench.give_back("a", 99.0)
        for each in (future, after):
            with pytest.raises(
                Failed, match=r"forever\(\) .* run for 99 s when a .* 100 s; no node of the pilot lasts"
            ):
                await each
        assert await bench.client.submit(sum, [1, 2], workers=["b"]) == 3

    run(tmp_path, steps)


def test_a_function_known_to_be_long_does_not_begin_on_a_node_that_is_being_renewed(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        await bench.add("a", 5, renewed=True)
        quick = bench.client.submit(sum, [1, 2], pure=False)
        assert await quick == 3
        future = bench.client.submit(forever, pure=False)
        await eventually_async(lambda: bench.at(future) == "a", "nobody knows how long it takes")
        bench.scheduler.tasks[future.key].prefix.duration_average = 60.0
        second = bench.client.submit(forever, pure=False)
        await eventually_async(lambda: second.key in bench.scheduler.tasks)
        assert bench.at(second) == ""
        await bench.add("b", WALLTIME)
        await eventually_async(lambda: bench.at(second) == "b")

    run(tmp_path, steps)


def test_of_many_functions_that_are_long_none_begins_on_a_node_that_is_being_renewed(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        going_on.clear()
        await bench.add("a", 5, renewed=True)
        first = bench.client.map(patient, range(20), pure=False)
        await eventually_async(lambda: bench.scheduler.queued, "more than fit")
        bench.scheduler.tasks[first[0].key].prefix.duration_average = 60.0
        waiting = {task.key for task in bench.scheduler.queued}
        going_on.set()
        await eventually_async(lambda: not any(worker.processing for worker in bench.scheduler.workers.values()))
        assert {task.key for task in bench.scheduler.queued} == waiting, "they wait for a node that lasts"
        assert bench.scheduler.holds, "the pilot is not idle"
        assert await bench.client.submit(sum, [1, 2], pure=False) == 3
        going_on.clear()
        await bench.add("b", WALLTIME)
        await eventually_async(lambda: {bench.at(future) for future in first} == {"", "b"}, "some begin, on that one")
        going_on.set()
        assert await bench.client.gather(first) == [*range(20)]

    run(tmp_path, steps)
