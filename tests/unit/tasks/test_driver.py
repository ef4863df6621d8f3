"""The driver of tasks, beside launchers and nodes that do as the test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.errors import Failed, Unavailable
from pilothouse.runs.cores import Capacity, Cores
from pilothouse.runs.news import News
from pilothouse.runs.protocols import Leaving
from pilothouse.runs.terms import Term, Terms
from pilothouse.tasks.driver import TaskDriver
from pilothouse.telemetry import Telemetry
from tests.unit.fake_process import FakeProcess
from tests.waiting import eventually_async

WALLTIME = 1000.0


class Launcher(FakeProcess):
    """A launcher that says what the test wants (a NodeProcess); it ends when it is asked to."""

    def __init__(self, node: str) -> None:
        super().__init__(f"launcher-{node}", node)
        self.given: list[dict[str, Any]] = []
        self.last: dict[str, Any] | None = None

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["op"] == "run":
            self.given += [task for batch in message["batches"] for task in batch["tasks"]]
            self.number = message["batches"][-1]["number"]

    async def stop(self, grace: float = 1.5) -> int | None:
        if self.last is not None:
            self.say(self.last)
        self.end(0)
        return 0

    def finish(self, task: int, *, error: str = "", free: bool = True, seconds: float = 1.0) -> None:
        end = {"task": task, "attempt": 1, "code": 0, "error": error, "seconds": seconds, "last": ""}
        self.say({"ended": [end], "free": [self.number] if free else []})


class Bench:
    """A pilot of nodes of one core, and a run of tasks on it (a RunContext)."""

    without_nodes = "waits for a node"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler = SimpleNamespace(workers={}, extensions={})
        self.telemetry, self.stopping = Telemetry(), asyncio.Event()
        self.launchers: dict[str, Launcher] = {}
        self.hand_overs: list[Leaving] = []
        self.texts: list[str] = []
        self.why = ""
        self.quiet = asyncio.Event()
        self.quiet.set()
        self.terms, self.cores = Terms.of(self.scheduler), Cores.of(self.scheduler)
        self._terms: dict[str, Term] = {}

    def add(self, node: str, left: float = WALLTIME, *, renewed: bool = False) -> None:
        """A node that has so many seconds left."""
        address = f"tls://10.0.0.{len(self.scheduler.workers)}:1"
        self.scheduler.workers[address] = SimpleNamespace(
            name=node, nthreads=1, resources={}, address=address, status=SimpleNamespace(name="running")
        )
        self._terms[node] = Term(time.monotonic() + left, WALLTIME, WALLTIME, renewed)
        self.terms.tell(self._terms, [(Capacity(1), WALLTIME)], replaced=True)
        News.of(self.scheduler).tell()

    async def give_back(self, node: str, cut: dict[int, float], left: float = 0.0) -> None:
        """The pilot gives a node back, which cuts off these tasks after so many seconds."""
        self._terms[node] = Term(time.monotonic() + left, WALLTIME, WALLTIME)
        self.terms.given_back.add(node)
        self.cores.close(node)
        if node in self.launchers:
            self.launchers[node].last = {"cut": [*cut.items()]}
        for hand_over in self.hand_overs:
            await hand_over(node, 0.0)

    async def settled(self) -> None:
        await self.quiet.wait()

    async def spawn(self, module: str, config: Mapping[str, Any], *, label: str, node: str | None = None) -> Launcher:
        assert node is not None
        if node in self.terms.given_back:
            raise Unavailable("it goes")
        found = self.launchers[node] = Launcher(node)
        return found

    def on_leaving(self, hand_over: Leaving) -> None:
        self.hand_overs.append(hand_over)

    def waits(self, why: str) -> None:
        self.why = why

    def log(self, text: str) -> None:
        self.texts.append(text)

    def event(self, what: str, **details: Any) -> None:
        self.texts.append(f"{what} {details}")

    def progress(self, done: float, total: float, unit: str = "") -> None:
        """Nobody looks."""

    def given(self, node: str) -> list[int]:
        """The tasks that a node was given."""
        return [task["task"] for task in self.launchers[node].given] if node in self.launchers else []

    def drive(self, tasks: int = 1, *, driver: TaskDriver | None = None, **options: Any) -> asyncio.Task[None]:
        spec = {
            "tasks": [{"argv": ["run", str(number)]} for number in range(tasks)], "cores": 1, "gpus": 0, "ranks": None,
            "retries": 0, "timeout": None, "launcher": None, "stage": "link", "after": [], "holder": "", "many": True,
            "work": str(self.folder), **options,
        }  # fmt: skip
        return asyncio.create_task((driver or TaskDriver()).drive(self, spec))  # type: ignore[arg-type]


def run(folder: Path, steps: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await steps(Bench(folder))

    asyncio.run(main())


def test_what_was_cut_off_waits_for_a_node_where_it_has_time_and_is_not_to_blame(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        bench.add("n-0", 300)
        work = bench.drive()
        for number in range(5):  # more often than nodes may die under it
            await eventually_async(lambda number=number: bench.given(f"n-{number}"))  # type: ignore[misc]
            bench.add(f"short-{number}", 500)
            await bench.give_back(f"n-{number}", {0: 290.0})
            await eventually_async(lambda: "lasts longer" in bench.why, "it says what it waits for")
            assert not bench.given(f"short-{number}")
            bench.add(f"n-{number + 1}", 600 + number)
        await eventually_async(lambda: bench.given("n-5") and not bench.why)
        bench.launchers["n-5"].finish(0)
        await work

    run(tmp_path, steps)


def test_what_had_a_new_node_to_its_end_fails_at_once_and_says_why(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        bench.add("n-0")
        work = bench.drive(timeout=5 * WALLTIME)
        await eventually_async(lambda: bench.given("n-0"))
        bench.add("n-1")
        await bench.give_back("n-0", {0: 995.0})
        with pytest.raises(Failed, match=r"run for 995 s when n-0 .* 1000 s; no node of the pilot lasts longer"):
            await work
        assert not bench.given("n-1")
        assert any("its nodes end before its timeout" in text for text in bench.texts)

    run(tmp_path, steps)


def test_on_a_node_that_is_being_renewed_nothing_begins_that_takes_longer(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        bench.add("n-0", 0.5, renewed=True)  # others have taken a second
        work = bench.drive(tasks=2)
        await eventually_async(lambda: bench.given("n-0"))
        bench.launchers["n-0"].finish(0)
        bench.add("n-1")
        await eventually_async(lambda: bench.given("n-1"))
        assert bench.given("n-0") == [0]
        bench.launchers["n-1"].finish(1)
        await work

    run(tmp_path, steps)


def test_what_runs_elsewhere_by_now_does_not_end_with_the_node_that_it_had_left(tmp_path: Path) -> None:
    """A batch of three: the first has failed, and is tried again elsewhere, when the launcher dies."""

    async def steps(bench: Bench) -> None:
        bench.add("n-0")
        work = bench.drive(tasks=4, retries=1)
        await eventually_async(lambda: bench.given("n-0"))
        first = bench.launchers["n-0"]
        first.finish(0, seconds=0.001)  # so the others come together
        await eventually_async(lambda: bench.given("n-0") == [0, 1, 2, 3])
        first.finish(1, error="exit code 1", free=False)
        bench.add("n-1")
        await eventually_async(lambda: bench.given("n-1") == [1], "the second attempt")
        first.end(-9)
        await eventually_async(lambda: bench.launchers["n-0"] is not first and bench.given("n-0"))
        assert bench.given("n-0") == [2]
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    run(tmp_path, steps)


def test_a_run_says_what_it_waits_for(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        work = bench.drive(cores=2)
        await eventually_async(lambda: bench.why == "waits for a node")
        bench.add("n-0")
        await eventually_async(lambda: bench.why.startswith("waits for a node of 2 cores"))
        work.cancel()
        other = bench.drive(tasks=2)
        await eventually_async(lambda: bench.given("n-0"))
        third = bench.drive()
        await eventually_async(lambda: bench.why == "waits for free cores")
        for each in (work, other, third):
            each.cancel()
        await asyncio.gather(work, other, third, return_exceptions=True)

    run(tmp_path, steps)


def test_nothing_begins_before_what_an_earlier_supervisor_had_begun_is_known_to_be_over(tmp_path: Path) -> None:
    async def steps(bench: Bench) -> None:
        bench.quiet.clear()
        bench.add("n-0")
        work = bench.drive()
        await eventually_async(lambda: bench.why == "waits to hear of the nodes that it ran on")
        assert not bench.launchers
        bench.quiet.set()
        await eventually_async(lambda: bench.given("n-0"))
        bench.launchers["n-0"].finish(0)
        await work

    run(tmp_path, steps)
