"""What a member says of how far it is, as its driver takes it in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from pilothouse.engines.book import MemberFacts
from pilothouse.engines.held import Held
from pilothouse.errors import Failed
from tests.unit.fake_process import FakeProcess
from tests.waiting import eventually_async


class Process(FakeProcess):
    """Hears, and is heard of, as the test wants."""

    async def send(self, message: Mapping[str, Any]) -> None:
        self.got = message


class Context:
    """As much of a RunContext as a member needs."""

    name, parameters = "news", {"engine": "board"}

    def __init__(self) -> None:
        self.shown: tuple[float, float, str] | None = None
        self.started: list[Process] = []

    async def spawn(self, module: str, config: Mapping[str, Any], *, label: str, node: str | None = None) -> Process:
        self.started.append(Process(label, node or ""))
        return self.started[-1]

    def event(self, what: str, **details: Any) -> None:
        """Not of interest here."""

    def progress(self, done: float, total: float, unit: str = "") -> None:
        self.shown = (done, total, unit)

    def no_progress(self) -> None:
        self.shown = None


def moving(steps: Callable[[Context, Held, Process], Coroutine[Any, Any, None]]) -> None:
    """Do the steps with a member that has been asked for something, and has told how far it is."""

    async def main() -> None:
        context = Context()
        held = Held(context, MemberFacts(1, "first", "n-1", "h"), lambda _: {}, lambda: None)  # type: ignore[arg-type]
        life = asyncio.create_task(held.live_once())
        await eventually_async(lambda: held.process)
        (process,) = context.started
        asked = asyncio.create_task(held.do("release", [], number=2))
        await eventually_async(lambda: hasattr(process, "got"))
        process.say({"progress": [1.0, 4.0, "blocks"]})
        await eventually_async(lambda: context.shown == (1.0, 4.0, "blocks"))
        await steps(context, held, process)
        process.end(-9)
        await asyncio.gather(life, asked, return_exceptions=True)
        assert context.shown is None

    asyncio.run(main())


@pytest.mark.parametrize("answer", [{"value": None}, {"failed": Failed("not in time").to_dict()}])
def test_progress_goes_with_what_it_was_of_however_that_came_out(answer: Mapping[str, Any]) -> None:
    async def steps(context: Context, held: Held, process: Process) -> None:
        process.say({"answer": process.got["id"], **answer})
        await eventually_async(lambda: context.shown is None, "no progress")

    moving(steps)


def test_progress_goes_with_the_member_that_told_it() -> None:
    async def steps(context: Context, held: Held, process: Process) -> None:
        assert context.shown is not None

    moving(steps)


def test_figures_meanwhile_end_no_progress() -> None:
    async def steps(context: Context, held: Held, process: Process) -> None:
        process.say({"metrics": {"blocks": 3.0}})
        await eventually_async(lambda: held.metrics)
        assert context.shown == (1.0, 4.0, "blocks")

    moving(steps)
