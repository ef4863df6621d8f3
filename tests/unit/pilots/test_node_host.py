"""Which processes live, as the supervisor knows it: a node that is not heard of any more may still work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.errors import Unavailable
from pilothouse.runs.processes import NodeHost
from pilothouse.runs.terms import Term, Terms


class Scheduler:
    """The part of Dask's scheduler through which nodes are asked."""

    def __init__(self, *nodes: str) -> None:
        self.workers = {f"tls://{name}": SimpleNamespace(name=name, address=f"tls://{name}") for name in nodes}
        self.stream_handlers: dict[str, Callable[..., None]] = {}
        self.asked: list[tuple[str, str]] = []
        self.extensions: dict[str, object] = {}

    async def broadcast(self, msg: dict[str, Any], workers: list[str]) -> dict[str, Any]:
        self.asked += [(address, msg["op"]) for address in workers]
        return {address: {"status": "OK", "pid": 7} for address in workers}


def run(steps: Callable[[Scheduler, NodeHost], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        scheduler = Scheduler("n-1", "n-2")
        await steps(scheduler, NodeHost(scheduler))

    asyncio.run(main())


async def started(host: NodeHost, node: str) -> Any:
    return await host.spawn(node, "it", module="m", config="{}", log="", env={})


def test_a_process_is_not_dead_because_its_node_is_not_heard_of() -> None:
    async def steps(scheduler: Scheduler, host: NodeHost) -> None:
        process = await started(host, "n-1")
        del scheduler.workers["tls://n-1"]
        assert await process.stop(0.01) is None
        assert not process.ended
        host.node_ended("n-1")
        assert process.ended
        assert await process.wait() == -9

    run(steps)


def test_what_may_run_anywhere_is_started_where_it_need_not_move_soon() -> None:
    async def steps(scheduler: Scheduler, host: NodeHost) -> None:
        Terms.of(scheduler).tell({"n-1": Term(0.0, 0.0, 0.0, renewed=True)}, [], replaced=True)
        for _ in range(3):
            assert (await host.spawn(None, "it", module="m", config="{}", log="", env={})).node == "n-2"

    run(steps)


def test_nothing_is_started_on_a_node_that_is_about_to_go() -> None:
    async def steps(scheduler: Scheduler, host: NodeHost) -> None:
        host.announce("n-1")
        assert host.nodes == ["n-2"]
        with pytest.raises(Unavailable, match="about to go"):
            await started(host, "n-1")
        assert (await host.spawn(None, "it", module="m", config="{}", log="", env={})).node == "n-2"

    run(steps)


def test_a_node_is_clear_when_runs_have_handed_over_and_its_processes_have_ended() -> None:
    async def steps(scheduler: Scheduler, host: NodeHost) -> None:
        told: list[tuple[str, float]] = []

        async def hand_over(node: str, seconds: float) -> None:
            told.append((node, seconds))

        host.hand_overs.append(hand_over)
        process = await started(host, "n-1")
        clearing = asyncio.create_task(host.clear("n-1", 30.0))
        await asyncio.sleep(0.01)
        assert told == [("n-1", 30.0)]
        assert host.is_busy("n-1")
        assert not clearing.done()
        scheduler.stream_handlers["pilothouse_exit"](key="it-1", code=0, worker="tls://n-1")
        await clearing
        assert process.ended
        assert not host.is_busy("n-1")

    run(steps)


def test_a_run_that_does_not_hand_over_holds_no_node_for_ever() -> None:
    async def steps(scheduler: Scheduler, host: NodeHost) -> None:
        async def hand_over(node: str, seconds: float) -> None:
            await asyncio.sleep(3600)

        host.hand_overs.append(hand_over)
        await asyncio.wait_for(host.clear("n-1", 0.05), 5)

    run(steps)
