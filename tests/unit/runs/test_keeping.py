"""A kept process, beside nodes that come, go and die as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from pilothouse.errors import Failed, Unavailable
from pilothouse.runs import keeping
from pilothouse.runs.channel import DONE
from pilothouse.runs.keeping import Kept, keep
from pilothouse.runs.protocols import Leaving
from tests.unit.fake_process import FakeProcess
from tests.waiting import eventually_async


class Process(FakeProcess):
    """A process that says and does what the test wants (a NodeProcess)."""

    def __init__(self, label: str, node: str, config: Mapping[str, Any]) -> None:
        super().__init__(label, node)
        self.config = config
        self.got: list[Mapping[str, Any]] = []
        self.obedient = True

    async def send(self, message: Mapping[str, Any]) -> None:
        self.got.append(message)

    async def stop(self, grace: float = 1.5) -> int | None:
        self.got.append({"op": "stop"})
        if self.obedient:
            self.end(0)
        return self._code.result() if self.ended else None


class Context:
    """As much of a RunContext as a kept process needs."""

    def __init__(self, *nodes: str) -> None:
        self.nodes = list(nodes)
        self.started: list[Process] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.stopping = asyncio.Event()
        self.hand_overs: list[Leaving] = []

    async def spawn(self, module: str, config: Mapping[str, Any], *, label: str, node: str | None = None) -> Process:
        await asyncio.sleep(0)
        if not self.nodes or (node is not None and node not in self.nodes):
            raise Unavailable("there is no such node")
        self.started.append(Process(label, node or self.nodes[0], config))
        return self.started[-1]

    def on_leaving(self, hand_over: Leaving) -> None:
        self.hand_overs.append(hand_over)

    def event(self, what: str, **details: Any) -> None:
        self.events.append((what, details))

    async def leave(self, node: str, seconds: float = 10.0) -> None:
        self.nodes.remove(node)
        for hand_over in self.hand_overs:
            await hand_over(node, seconds)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LOOK_S", 0.01)
    monkeypatch.setattr(keeping, "LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(keeping, "LAST_WORDS_S", 0.05)


def run(steps: Callable[[Context], Coroutine[Any, Any, None]], *nodes: str) -> None:
    async def main() -> None:
        await steps(Context(*nodes))

    asyncio.run(main())


def begin(context: Context, heard: Callable[[dict[str, Any]], None] = lambda _: None, **options: Any) -> Any:
    return asyncio.create_task(keep(context, "a.module", {"a": 1}, heard, label="it", **options))  # type: ignore[arg-type]


def test_it_is_told_before_its_node_goes_and_goes_on_elsewhere() -> None:
    async def steps(context: Context) -> None:
        work = begin(context)
        await eventually_async(lambda: context.started)
        (first,) = context.started
        await context.leave("n-1", 7.0)
        assert first.got == [{"op": "leaving", "seconds": 7.0}, {"op": "stop"}]
        assert first.ended, "nothing is on the node any more"
        await eventually_async(lambda: len(context.started) == 2)
        second = context.started[1]
        assert (second.node, second.config) == ("n-2", {"a": 1})
        second.say(dict(DONE))
        second.end(0)
        assert await work
        assert [what for what, _ in context.events] == ["process leaves"], "that is no death"

    run(steps, "n-1", "n-2")


def test_no_second_one_is_started_while_the_first_may_live() -> None:
    async def steps(context: Context) -> None:
        work = begin(context)
        await eventually_async(lambda: context.started)
        (first,) = context.started
        first.obedient = False
        leaving = asyncio.create_task(context.leave("n-1"))
        await eventually_async(lambda: {"op": "stop"} in first.got)
        await asyncio.sleep(0.1)  # nothing should happen
        assert len(context.started) == 1
        assert not leaving.done()
        first.end(-9)  # its node's job has ended
        await leaving
        await eventually_async(lambda: len(context.started) == 2)
        work.cancel()

    run(steps, "n-1", "n-2")


def test_it_waits_for_a_node_when_there_is_none() -> None:
    async def steps(context: Context) -> None:
        work = begin(context)
        await asyncio.sleep(0.05)
        assert not context.started
        context.nodes.append("late")
        await eventually_async(lambda: context.started)
        context.started[0].say(dict(DONE))
        context.started[0].end(0)
        assert await work

    run(steps)


def test_one_that_dies_again_and_again_is_given_up_and_named() -> None:
    async def steps(context: Context) -> None:
        work = begin(context)
        for life in range(keeping.RESTARTS + 1):
            await eventually_async(lambda life=life: len(context.started) > life)  # type: ignore[misc]
            context.started[life].end(-9)
        with pytest.raises(Failed, match=r"it died 4 times in a row, .* on n-1, pid 1: it was ended by signal 9"):
            await work
        assert [details["restart"] for what, details in context.events if what == "process died"] == [1, 2, 3, 4]

    run(steps, "n-1")


def test_one_that_ends_without_a_word_has_not_done_its_work() -> None:
    async def steps(context: Context) -> None:
        work = begin(context)
        await eventually_async(lambda: context.started)
        context.started[0].end(0)
        await eventually_async(lambda: len(context.started) == 2)
        work.cancel()

    run(steps, "n-1")


def test_its_own_error_fails_the_run_at_once() -> None:
    async def steps(context: Context) -> None:
        work = begin(context)
        await eventually_async(lambda: context.started)
        context.started[0].say({"error": "Failed: the data is not there"})
        context.started[0].end(1)
        with pytest.raises(Failed, match=r"^the data is not there$"):
            await work

    run(steps, "n-1")


def test_a_stop_is_told_with_a_farewell_and_what_it_says_last_is_heard() -> None:
    async def steps(context: Context) -> None:
        heard: list[dict[str, Any]] = []
        work = begin(context, heard.append, farewell={"op": "leave"})
        await eventually_async(lambda: context.started)
        context.started[0].say({"count": 3})
        context.stopping.set()
        assert not await work
        assert heard == [{"count": 3}]
        assert context.started[0].got[:2] == [{"op": "leave"}, {"op": "stop"}]
        assert len(context.started) == 1

    run(steps, "n-1")


def test_a_stop_ends_the_wait_for_a_node() -> None:
    async def steps(context: Context) -> None:
        work = begin(context)
        await asyncio.sleep(0.02)
        context.stopping.set()
        assert not await asyncio.wait_for(work, 5)

    run(steps)


class Finishing(Kept):
    finishes = stays = True

    def where(self) -> str:
        return "n-1"


def test_one_that_finishes_its_work_is_left_alone_until_shortly_before_its_node_goes() -> None:
    async def steps(context: Context) -> None:
        kept = Finishing(context, "a.module", "it")  # type: ignore[arg-type]
        life = asyncio.create_task(kept.live())
        await eventually_async(lambda: context.started)
        (process,) = context.started
        context.on_leaving(kept.leave)
        leaving = asyncio.create_task(context.leave("n-1", 60.0))
        await eventually_async(lambda: process.got)
        await asyncio.sleep(0.05)
        assert process.got == [{"op": "leaving", "seconds": 60.0}]
        process.end(0)  # it has finished
        await leaving
        await life
        assert len(context.started) == 1, "it belongs to its node"

    run(steps, "n-1", "n-2")


def test_one_that_takes_too_long_is_asked_to_end_before_its_node_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "END_S", 0.2)

    async def steps(context: Context) -> None:
        kept = Finishing(context, "a.module", "it")  # type: ignore[arg-type]
        life = asyncio.create_task(kept.live())
        await eventually_async(lambda: context.started)
        context.on_leaving(kept.leave)
        await context.leave("n-1", 0.3)
        assert context.started[0].got[-1] == {"op": "stop"}
        await life

    run(steps, "n-1")


def test_one_that_stays_and_dies_says_how() -> None:
    async def steps(context: Context) -> None:
        kept = Finishing(context, "a.module", "it")  # type: ignore[arg-type]
        life = asyncio.create_task(kept.live())
        await eventually_async(lambda: context.started)
        context.started[0].end(3)
        with pytest.raises(Failed, match="it ended with code 3"):
            await life
        assert len(context.started) == 1

    run(steps, "n-1", "n-2")
