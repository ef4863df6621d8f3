from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from pilothouse.pilots.node.exits import NodeEnds, Running, by_itself
from pilothouse.pilots.node.pages import Scheduler, Worker
from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.state import utcnow
from tests.waiting import eventually_async


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (0, "ended by itself with exit code 0"),
        (3, "ended by itself with exit code 3"),
        (255, "ended by itself with exit code 255"),
        (-11, "died of SIGSEGV"),
        (134, "died of SIGABRT"),
        (-9, ""),
        (137, ""),
        (-15, ""),
        (143, ""),
        (-125, ""),  # Slurm's word for too little memory
        (os.EX_SOFTWARE, ""),
        (None, ""),
    ],
)
def test_a_process_that_was_killed_did_not_end_by_itself(code: int | None, how: str) -> None:
    assert by_itself(code) == how


def test_what_ran_is_known_when_the_process_has_vanished(tmp_path: Path) -> None:
    path = Running.path(tmp_path, "n-1")
    running = Running(path)
    running.begins("a-long-key")
    running.begins(("b", 1))
    running.ends("a-long-key")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Running.left(path) == ["('b', 1)"]
    assert Running.left(path) is None
    again = Running(path)
    again.close()
    again.ends(("b", 1))  # a function that went on while its worker closed
    assert not path.exists()


@pytest.mark.parametrize(
    ("node", "counted", "error"),
    [
        (NodeRecord(name="n-1", state=State.DRAINING), 0, ""),
        (NodeRecord(name="n-1", state=State.FAILED, exit_code=-9), 1, ""),
        (NodeRecord(name="n-1", state=State.FAILED), 1, ""),
        (NodeRecord(name="n-1", state=State.FAILED, exit_code=5), 1, "wait() (key 'wait-1') ended the node"),
    ],
    ids=["given back", "killed", "gone", "ended by its task"],
)
def test_tasks_go_on_elsewhere_unless_they_ended_their_node(
    tmp_path: Path, node: NodeRecord, counted: int, error: str
) -> None:
    record = PilotRecord(name="p", site="local", state=State.RUNNING, created=utcnow(), nodes=[node])

    async def work() -> tuple[int, str]:
        from distributed import Client

        ends = NodeEnds(record, tmp_path, lambda: None)
        async with (
            Scheduler(ends=ends, host="127.0.0.1", port=0, dashboard=False) as scheduler,
            Worker(
                scheduler.address, running=Running(Running.path(tmp_path, "n-1")), name="n-1", nthreads=1,
                local_directory=str(tmp_path), dashboard=False, host="127.0.0.1",
            ) as worker,
            Client(scheduler.address, asynchronous=True) as client,
        ):  # fmt: skip
            stop = asyncio.Event()

            async def wait() -> None:
                await stop.wait()

            futures: list[Any] = [client.submit(wait, key=f"wait-{number}") for number in (1, 2)]
            await eventually_async(
                lambda: worker.state.executing and len(scheduler.tasks) == len(futures), "both go on"
            )
            await scheduler.remove_worker(worker.address, stimulus_id="test", close=False)
            await eventually_async(lambda: not scheduler._judging, "the judgement")
            states = [scheduler.tasks[future.key].state for future in futures]
            failed = str(await futures[0].exception()) if states[0] == "erred" else ""
            assert [state == "erred" for state in states] == [bool(error), False]
            assert not any(task.worker_restrictions for task in scheduler.tasks.values())
            stop.set()
            return scheduler.tasks["wait-1"].suspicious, failed

    suspicious, failed = asyncio.run(work())
    assert suspicious == counted
    assert failed.startswith(error)
    assert bool(failed) == bool(error)
