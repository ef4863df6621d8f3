"""A supervisor's runs, without nodes: they wait for the first one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.registry.naming import claim, remove
from pilothouse.registry.records import RUNS, RunRecord
from pilothouse.runs import host, processes
from pilothouse.runs.host import RunHost
from pilothouse.runs.processes import NodeHost
from pilothouse.state import utcnow
from tests.unit.conftest import Disk
from tests.waiting import eventually_async


def a_run(name: str) -> RunRecord:
    return claim(
        RUNS,
        name,
        "count",
        lambda chosen: RunRecord(
            name=chosen, kind="count", pilot="none", pilot_created=utcnow(), created=utcnow(), parameters={"to": 3}
        ),
        "error",
    )


def test_the_end_by_force_of_a_stopped_run_is_not_that_of_the_next_of_its_name(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "STOP_GRACE", 0.5)

    async def stopped_removed_and_launched_again() -> None:
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={})
        runs = RunHost(NodeHost(scheduler), dict, lambda: None)
        first = a_run("again")
        runs.launch("again")
        await asyncio.sleep(0)
        await runs.stop("again")
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(host.STOP_GRACE, passed.set)
        await eventually_async(lambda: not runs.live, "the first one's end")
        remove(RUNS, first)
        a_run("again")
        runs.launch("again")
        await passed.wait()
        assert runs.live == ["again"]
        await asyncio.sleep(0)  # one that is cancelled learns of it
        assert runs.live == ["again"]
        await runs.close("the test is over")
        assert RUNS.read("again").reason == "stopped"

    asyncio.run(stopped_removed_and_launched_again())


def test_a_run_says_that_it_waits_for_a_node(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "SAVE_INTERVAL", 0.02)

    async def launched() -> None:
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={})
        nodes = NodeHost(scheduler)
        nodes.without_nodes = lambda: "waits for a node: the pilot has none; extend it"
        runs = RunHost(nodes, dict, lambda: None)
        a_run("waiting")
        runs.launch("waiting")
        await eventually_async(lambda: "extend it" in RUNS.read("waiting").reason)
        await runs.close("the test is over")

    asyncio.run(launched())


def test_a_run_that_ends_says_what_is_not_known_to_have_ended(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "KILL_S", 0.1)
    monkeypatch.setattr(host, "STOP_GRACE", 0.1)

    async def stopped() -> None:
        worker = SimpleNamespace(name="n-1", address="tls://gone")
        scheduler: Any = SimpleNamespace(workers={"tls://gone": worker}, extensions={}, stream_handlers={})
        nodes = NodeHost(scheduler)
        runs = RunHost(nodes, dict, lambda: None)
        started = []

        async def spawn(*_: Any, **__: Any) -> processes.Process:
            scheduler.workers.clear()  # its node is cut off
            started.append(processes.Process(nodes, "key", "counter", "n-1"))
            return started[0]

        monkeypatch.setattr(nodes, "spawn", spawn)
        a_run("cut-off")
        runs.launch("cut-off")
        await eventually_async(lambda: started)
        assert await started[0].stop(0.01) is None
        await runs.stop("cut-off")
        await eventually_async(lambda: not runs.live)
        assert RUNS.read("cut-off").reason.endswith(
            "what it had on n-1 is not known to have ended: it may go on as long as the node"
        )

    asyncio.run(stopped())


def test_the_reason_of_a_failure_says_each_thing_once(state_home: Path) -> None:
    async def told() -> None:
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={})
        nodes = NodeHost(scheduler)
        context = host.Context(a_run("failing"), nodes, dict)
        context.processes = [processes.Process(nodes, f"key-{life}", "board-1", "n-1") for life in (1, 2)]
        for process in context.processes:
            process.end(1)
        context.folder.mkdir(parents=True, exist_ok=True)
        context.log_path("board-1").write_text("  raise Failed(why)\npilothouse.errors.Failed: no room: for words\n")
        assert context.log_tail("board-1 on n-1: no room: for words") == ""
        said = context.log_tail("it ended with code 1")
        assert said.count("no room: for words") == 1, "of two lives that have one log"

    asyncio.run(told())


def test_a_service_says_that_it_was_its_pilot_that_ended(state_home: Path) -> None:
    async def ended(*, stopped: bool) -> str:
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={})
        runs = RunHost(NodeHost(scheduler), dict, lambda: None)
        name = f"service-{stopped:d}"
        record = a_run(name).model_copy(update={"kind": "service"})
        RUNS.write(record)
        runs.launch(name)
        if stopped:
            await runs.stop(name)
        await runs.close("the lease is over")
        return RUNS.read(name).reason

    assert asyncio.run(ended(stopped=False)) == "its pilot ended: the lease is over"
    assert asyncio.run(ended(stopped=True)) == "stopped"


def test_the_end_of_a_run_that_cannot_be_written_is_written_later(state_home: Path, disk: Disk) -> None:
    async def ended_in_a_full_home() -> None:
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={})
        runs = RunHost(NodeHost(scheduler), dict, lambda: None)
        a_run("full")
        runs.launch("full")
        await asyncio.sleep(0)
        disk.full = True
        await runs.stop("full")
        await eventually_async(lambda: not runs.live, "its end, which keeps no idle pilot alive")
        assert not runs.write_ends()
        assert not RUNS.read("full").state.ended
        disk.full = False
        assert runs.write_ends()
        assert (RUNS.read("full").state, RUNS.read("full").reason) == ("finished", "stopped")
        assert runs.write_ends()

    asyncio.run(ended_in_a_full_home())
