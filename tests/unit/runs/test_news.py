"""Who waits for something of a pilot is woken by it: what is looked for now and then is not looked for in here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.errors import Failed
from pilothouse.pilots.node.exits import NodeEnds, Running
from pilothouse.pilots.node.pages import Scheduler, Worker
from pilothouse.registry.records import RUNS, PilotRecord, RunRecord, State
from pilothouse.runs import cores, host
from pilothouse.runs.cores import Allocation, Cores, Need
from pilothouse.runs.host import RunHost
from pilothouse.runs.news import News
from pilothouse.runs.processes import NodeHost
from pilothouse.state import utcnow
from pilothouse.tasks import predecessors
from tests.waiting import eventually_async

NEVER = 1000.0


class Asker:
    """Somebody who wants one core."""

    need = Need()

    def __init__(self) -> None:
        self.avoid = set[str]()
        self.got: list[str] = []

    def wanted(self) -> int:
        return 1 - len(self.got)

    def place(self, allocation: Allocation) -> None:
        self.got.append(allocation.node)


def a_run(name: str, state: State = State.RUNNING) -> RunRecord:
    now = utcnow()
    return RunRecord(name=name, kind="none", pilot="none", pilot_created=now, created=now, state=state, parameters={})


def test_cores_are_given_when_a_worker_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "LOOK", NEVER)

    async def comes_and_goes() -> None:
        ends = NodeEnds(PilotRecord(name="p", site="local", created=utcnow()), tmp_path, lambda: None)
        async with Scheduler(ends=ends, host="127.0.0.1", port=0, dashboard=False) as scheduler:
            asker = Asker()
            Cores.of(scheduler).add(asker)
            async with Worker(
                scheduler.address, running=Running(Running.path(tmp_path, "n")), name="n", nthreads=1,
                local_directory=str(tmp_path), dashboard=False, host="127.0.0.1",
            ):  # fmt: skip
                await eventually_async(lambda: asker.got)
                going = asyncio.create_task(News.of(scheduler).heard(NEVER))
                await asyncio.sleep(0)
            await going
            assert not Cores.of(scheduler).nodes()
            Cores.of(scheduler).remove(asker)

    asyncio.run(comes_and_goes())


def test_a_run_begins_when_the_first_node_comes(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "LOOK_S", NEVER)
    begun: list[str] = []

    class Driver:
        async def run(self, context: host.Context) -> None:
            begun.append(context.name)

    point = SimpleNamespace(load=lambda: Driver)
    monkeypatch.setattr(host, "entry_points", lambda **_: [point])

    async def comes() -> None:
        scheduler: Any = SimpleNamespace(workers={}, extensions={}, stream_handlers={})
        runs = RunHost(NodeHost(scheduler), dict, lambda: None)
        for name in ("first", "stopped"):
            RUNS.create(a_run(name))
            runs.launch(name)
        await asyncio.sleep(0)
        await runs.stop("stopped")
        await eventually_async(lambda: runs.live == ["first"], "the end of one that never began")
        scheduler.workers["tls://n"] = SimpleNamespace(name="n", address="tls://n")
        News.of(scheduler).tell()
        await eventually_async(lambda: not runs.live)
        assert begun == ["first"]

    asyncio.run(comes())


@pytest.mark.parametrize("end", [State.FINISHED, State.FAILED])
def test_what_follows_a_run_reads_nothing_of_it_before_its_end(
    state_home: Path, monkeypatch: pytest.MonkeyPatch, end: State
) -> None:
    monkeypatch.setattr(predecessors, "LOOK", NEVER)
    record = a_run("first", end)

    async def ends() -> None:
        scheduler: Any = SimpleNamespace(extensions={})
        news = News.of(scheduler)
        news.live |= {"first", "other"}
        after = [{"run": "first", "created": record.created.isoformat()}]
        following = asyncio.create_task(predecessors.wait(after, scheduler))
        await asyncio.sleep(0)
        news.live.discard("other")
        news.tell()
        await asyncio.sleep(0)
        assert not following.done()  # what it would have read is that there is no such run
        RUNS.create(record)
        news.live.discard("first")
        news.tell()
        await following

    if end is State.FAILED:
        with pytest.raises(Failed, match="after 'first', which failed"):
            asyncio.run(ends())
    else:
        asyncio.run(ends())
