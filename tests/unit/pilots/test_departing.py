"""How nodes go, with a real Dask scheduler and workers in this process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest
from distributed import Client, Scheduler, Worker

from pilothouse.pilots.supervisor.departing import Departing
from pilothouse.registry.records import NodeRecord, State
from pilothouse.runs.processes import NodeHost


async def _holders(scheduler: Any, key: str) -> set[str]:
    return {str(worker.name) for worker in scheduler.tasks[key].who_has}


def _note_moves(worker: Any, asked: list[str]) -> None:
    """Note in `asked` who takes what the worker has."""
    give = worker.handlers["get_data"]

    async def noted(comm: Any, keys: list[str], who: str, **options: Any) -> Any:  # it is told the line for its `comm`
        asked.append(who)
        return await give(comm, keys=keys, who=who, **options)

    worker.handlers["get_data"] = noted


@pytest.mark.parametrize("leaving", ["ab", "abc"])
def test_what_several_nodes_hold_that_go_together_is_with_those_that_stay(leaving: str) -> None:
    asyncio.run(_leave_together(leaving))


async def _leave_together(leaving: str) -> None:
    async with AsyncExitStack() as stack:
        scheduler: Any = await stack.enter_async_context(Scheduler(protocol="inproc", dashboard=False, port=0))
        workers = [
            await stack.enter_async_context(Worker(scheduler.address, name=name, nthreads=1, dashboard=False))
            for name in "abcd"
        ]
        nodes = {str(w.name): NodeRecord(name=str(w.name), state=State.RUNNING, address=w.address) for w in workers}
        client: Any = await stack.enter_async_context(Client(scheduler.address, asynchronous=True))
        held = [client.submit(np.full, 5, number, workers=[name]) for number, name in enumerate(leaving)]
        await client.gather(held)
        asked: list[str] = []
        for worker in workers:
            _note_moves(worker, asked)
        departing = Departing(scheduler, NodeHost(scheduler), asking=None)  # type: ignore[arg-type]
        for name in leaving:
            departing.announce(nodes[name])
        await asyncio.gather(*(departing.empty(nodes[name], 30.0) for name in leaving))
        assert {str(worker.name) for worker in scheduler.workers.values()} == {*"abcd"} - {*leaving}
        takers = {name for name, node in nodes.items() if node.address in asked}
        assert takers
        assert takers.isdisjoint(leaving), "none that goes too"
        for number, future in enumerate(held):
            assert (await future == number).all()


def test_what_came_to_a_node_from_another_that_goes_is_not_lost_when_that_goes_too() -> None:
    asyncio.run(_leave_one_after_the_other())


async def _leave_one_after_the_other() -> None:
    async with AsyncExitStack() as stack:
        scheduler: Any = await stack.enter_async_context(Scheduler(protocol="inproc", dashboard=False, port=0))
        workers = {
            name: await stack.enter_async_context(Worker(scheduler.address, name=name, nthreads=1, dashboard=False))
            for name in "abc"
        }
        client: Any = await stack.enter_async_context(Client(scheduler.address, asynchronous=True))
        future = client.submit(np.full, 5, 7, workers=["a"])
        await future
        await scheduler.replicate(keys=[future.key], workers=[workers["b"].address], n=1)
        assert await _holders(scheduler, future.key) == {"a", "b"}
        departing = Departing(scheduler, NodeHost(scheduler), asking=None)  # type: ignore[arg-type]
        for name in "ab":
            node = NodeRecord(name=name, state=State.RUNNING, address=workers[name].address)
            departing.announce(node)
            await departing.empty(node, 30.0)
        assert await _holders(scheduler, future.key) == {"c"}
        assert (await future == 7).all()


def test_what_nobody_can_take_yet_is_kept_for_a_node_that_will_come() -> None:
    asyncio.run(_wait_for_the_next())


async def _wait_for_the_next() -> None:
    async with AsyncExitStack() as stack:
        scheduler: Any = await stack.enter_async_context(Scheduler(protocol="inproc", dashboard=False, port=0))
        worker = await stack.enter_async_context(Worker(scheduler.address, name="a", nthreads=1, dashboard=False))
        client: Any = await stack.enter_async_context(Client(scheduler.address, asynchronous=True))
        future = client.submit(np.full, 5, 7, workers=["a"])
        await future
        departing = Departing(scheduler, NodeHost(scheduler), asking=None)  # type: ignore[arg-type]
        node = NodeRecord(name="a", state=State.RUNNING, address=worker.address)
        departing.announce(node)
        emptying = asyncio.create_task(departing.empty(node, 30.0, more=True))
        await asyncio.wait({emptying}, timeout=0.5)
        assert not emptying.done()
        await stack.enter_async_context(Worker(scheduler.address, name="b", nthreads=1, dashboard=False))
        await emptying
        assert await _holders(scheduler, future.key) == {"b"}
        assert (await future == 7).all()
