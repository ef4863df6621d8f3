"""The driver of tasks through RADICAL-Pilot, beside launchers and nodes that do as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Failed
from pilothouse.tasks.radical.driver import AHEAD_S, RadicalDriver
from tests.unit.tasks.test_driver import WALLTIME, Bench, Launcher, run
from tests.waiting import eventually_async


class Radical(Launcher):
    """A launcher with a RADICAL-Pilot that is up when the test says so."""

    number = 0

    async def send(self, message: Mapping[str, Any]) -> None:
        if message["op"] == "run":
            self.given += [task for batch in message["batches"] for task in batch["tasks"]]

    def is_up(self) -> None:
        self.say({"up": self.node})

    def finish(self, task: int, *, error: str = "", free: bool = False, seconds: float = 100.0) -> None:
        super().finish(task, error=error, free=free, seconds=seconds)


class Pilot(Bench):
    """A pilot, and a run of tasks of one core through RADICAL-Pilot on it."""

    launchers: dict[str, Radical]  # type: ignore[assignment]

    async def spawn(self, module: str, config: Mapping[str, Any], *, label: str, node: str | None = None) -> Radical:
        assert node is not None
        assert module == RadicalDriver.launcher
        found = self.launchers[node] = Radical(node)
        return found

    def add(self, node: str, left: float = WALLTIME, *, renewed: bool = False, cores: int = 2) -> None:
        super().add(node, left, renewed=renewed)
        [*self.scheduler.workers.values()][-1].nthreads = cores

    def drive(self, tasks: int = 1, **options: Any) -> asyncio.Task[None]:
        return super().drive(tasks, driver=RadicalDriver(), radical={}, **options)

    async def up(self, *nodes: str) -> None:
        await eventually_async(lambda: {*nodes} <= {*self.launchers}, f"RADICAL-Pilot on {nodes}")
        for node in nodes:
            self.launchers[node].is_up()


def pilot(folder: Path, steps: Any) -> None:
    run(folder, lambda _: steps(Pilot(folder)))


def test_it_is_started_where_tasks_are_left_for_it_and_its_tasks_are_dealt(tmp_path: Path) -> None:
    async def steps(bench: Pilot) -> None:
        for node in "abcde":
            bench.add(node, cores=1 if node == "a" else 2)
        work = bench.drive(tasks=5)
        await eventually_async(lambda: len(bench.launchers) == 3)
        assert {*bench.launchers} < {*"bcde"}, "large ones first"
        assert bench.cores.used == dict.fromkeys(bench.launchers, 2), "whole nodes"
        first, second, third = bench.launchers
        await eventually_async(lambda: f"started on {first}, {second}, {third}" in bench.why)
        assert not bench.given(first), "a slow start leaves nothing waiting on one node"
        await bench.up(first)
        await eventually_async(lambda: bench.given(first) == [0, 1])
        await eventually_async(lambda: f"started on {second}, {third}" in bench.why)
        for task in (0, 1):
            bench.launchers[first].finish(task)
        await eventually_async(lambda: bench.given(first) == [0, 1, 2, 3])
        await bench.up(second, third)
        await eventually_async(lambda: [*bench.given(second), *bench.given(third)] == [4])
        spare = third if bench.given(second) else second
        await eventually_async(lambda: spare not in bench.cores.used, "a node is given back where no task is left")
        assert bench.launchers[spare].ended
        assert len(bench.launchers) == 3
        for node, task in ((first, 2), (first, 3), (second if spare == third else third, 4)):
            bench.launchers[node].finish(task)
        await work
        assert not bench.cores.used

    pilot(tmp_path, steps)


def test_short_tasks_stay_where_it_is_up_and_are_given_ahead(tmp_path: Path) -> None:
    async def steps(bench: Pilot) -> None:
        bench.add("a", cores=8)
        work = bench.drive(tasks=40)
        await bench.up("a")
        await eventually_async(lambda: len(bench.given("a")) == 8)
        bench.launchers["a"].finish(0, seconds=AHEAD_S / 2)
        await eventually_async(lambda: len(bench.given("a")) == 1 + 3 * 8)
        bench.add("b", cores=8)
        for task in range(1, 40):
            await eventually_async(lambda task=task: task in bench.given("a"))  # type: ignore[misc]
            bench.launchers["a"].finish(task, seconds=AHEAD_S / 2)
        await work
        assert not bench.given("b")
        assert "b" not in bench.launchers, "they are over before it has started there"

    pilot(tmp_path, steps)


def test_what_a_node_had_that_leaves_or_dies_runs_elsewhere(tmp_path: Path) -> None:
    async def steps(bench: Pilot) -> None:
        bench.add("a")
        bench.add("b")
        work = bench.drive(tasks=4)
        for node, tasks in (("a", [0, 1]), ("b", [2, 3])):
            await bench.up(node)
            await eventually_async(lambda node=node, tasks=tasks: bench.given(node) == tasks)  # type: ignore[misc]
        bench.launchers["a"].finish(0)
        bench.launchers["a"].say({"ended": [], "free": [], "returned": [1]})
        await bench.give_back("a", {})
        await eventually_async(lambda: "a" not in bench.cores.used)
        assert not any("run again" in text for text in bench.texts), "it had not begun"
        bench.launchers["b"].finish(2)
        await eventually_async(lambda: bench.given("b") == [2, 3, 1])
        bench.launchers["b"].say({"error": "RADICAL-Pilot ended with -9"})
        first = bench.launchers["b"]
        first.end(1)
        await eventually_async(lambda: bench.launchers["b"] is not first, "it is started again")
        assert sum("b is gone (RADICAL-Pilot ended with -9); it is run again" in text for text in bench.texts) == 2
        await bench.up("b")
        await eventually_async(lambda: sorted(bench.given("b")) == [1, 3])
        for task in (1, 3):
            bench.launchers["b"].finish(task)
        await work

    pilot(tmp_path, steps)


def test_what_was_cut_off_waits_for_a_node_with_time_for_it_and_for_the_start(tmp_path: Path) -> None:
    async def steps(bench: Pilot) -> None:
        bench.add("a", 300)
        work = bench.drive()
        await bench.up("a")
        await eventually_async(lambda: bench.given("a"))
        await bench.give_back("a", {0: 290.0})
        bench.add("b", 600)  # enough for the task alone
        await eventually_async(lambda: "lasts longer" in bench.why)
        assert "b" not in bench.launchers
        bench.add("c")
        await bench.up("c")
        await eventually_async(lambda: bench.given("c"))
        bench.launchers["c"].finish(0)
        await work

    pilot(tmp_path, steps)


def test_nothing_is_started_on_a_node_that_is_being_renewed_and_ends_before_that_is_of_use(tmp_path: Path) -> None:
    async def steps(bench: Pilot) -> None:
        bench.add("a", 20, renewed=True)
        work = bench.drive()
        await eventually_async(lambda: "lasts longer" in bench.why)
        bench.add("b", 100, renewed=True)
        await bench.up("b")
        await eventually_async(lambda: bench.given("b"))
        bench.launchers["b"].finish(0)
        await work
        assert "a" not in bench.launchers

    pilot(tmp_path, steps)


def test_where_it_can_not_be_started_the_run_fails_with_its_words(tmp_path: Path) -> None:
    async def steps(bench: Pilot) -> None:
        bench.add("small", cores=1)
        bench.add("a")
        work = bench.drive(cores=2)
        for _ in range(2):
            await eventually_async(lambda: "a" in bench.launchers)
            found = bench.launchers.pop("a")
            found.say({"error": "it knows no resource"})
            found.end(1)
        with pytest.raises(Failed, match="nothing can be started on a: it knows no resource"):
            await work

    pilot(tmp_path, steps)
