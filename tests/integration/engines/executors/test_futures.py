"""``pilot.executor()`` keeps what :class:`concurrent.futures.Executor` promises, and its calls outlive nodes."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, CancelledError
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.engines.executors.futures import Executor
from pilothouse.errors import Conflict, InvalidInput, Lost
from pilothouse.pilots import Pilot
from tests.waiting import eventually


@pytest.fixture
def executor(local_pilot: Pilot) -> Iterator[Executor]:
    with local_pilot.executor() as found:
        assert isinstance(found, concurrent.futures.Executor)
        yield found


def wait_for(file: Path, begun: Path | None = None) -> str:
    """On a node: until `file` is there."""
    if begun is not None:
        with begun.open("a") as notes:
            notes.write(f"{os.getpid()}\n")
    while not file.exists():
        time.sleep(0.02)
    return file.name


def test_calls_have_their_own_arguments_whatever_these_are_called(executor: Executor) -> None:
    def named(first: int, *, key: str, workers: int, retries: int) -> tuple[Any, ...]:
        return first, key, workers, retries

    assert executor.submit(named, 1, key="k", workers=2, retries=3).result(30) == (1, "k", 2, 3)
    assert executor.submit(pow, 2, 5).result(30) == 32


def test_equal_calls_are_two(executor: Executor, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    (tmp_path / "go").touch()
    futures = [executor.submit(wait_for, tmp_path / "go", notes) for _ in range(2)]
    assert [future.result(30) for future in futures] == ["go", "go"]
    assert len(notes.read_text().splitlines()) == 2


def test_map_is_in_order_and_counts_the_shortest(executor: Executor) -> None:
    assert list(executor.map(pow, range(100), [2] * 50)) == [n**2 for n in range(50)]
    assert list(executor.map(pow, range(7), range(7), chunksize=3)) == [n**n for n in range(7)]
    assert list(executor.map(abs, [])) == []
    with pytest.raises(InvalidInput, match="chunksize=0"):
        executor.map(abs, [1], chunksize=0)


def test_map_gives_up_after_its_timeout_and_begins_no_more(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        list(executor.map(wait_for, [tmp_path / "go"] * 20, [tmp_path / "notes"] * 20, timeout=0.3))
    (tmp_path / "go").touch()
    eventually(lambda: repr(executor).startswith("<Executor on the pilot 'tests', 0 calls"), "an end of all calls")
    assert len((tmp_path / "notes").read_text().splitlines()) < 20


def test_an_exception_is_the_callers_own_with_its_traceback(executor: Executor) -> None:
    def breaks() -> None:
        raise KeyError("no such frame")

    future = executor.submit(breaks)
    with pytest.raises(KeyError, match="no such frame") as caught:
        future.result(30)
    assert any(entry.name == "breaks" for entry in caught.traceback)
    assert isinstance(future.exception(), KeyError)


def known(pilot: Pilot) -> tuple[int, int]:
    """How many calls of :func:`wait_for` the pilot's scheduler knows, and its nodes together."""

    def by_scheduler(dask_scheduler: Any) -> int:
        return sum(str(key).startswith("wait_for") for key in dask_scheduler.tasks)

    def by_node(dask_worker: Any) -> int:
        return sum(str(key).startswith("wait_for") for key in dask_worker.state.tasks)

    client = pilot.client()
    return client.run_on_scheduler(by_scheduler), sum(client.run(by_node).values())


def test_what_runs_says_so_and_can_not_be_cancelled_what_waits_can(
    local_pilot: Pilot, executor: Executor, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    running = [executor.submit(wait_for, go) for _ in range(2)]  # one on each node
    eventually(lambda: all(future.running() for future in running), "two calls that run")
    waiting = executor.submit(wait_for, go, tmp_path / "begun")
    assert not running[0].cancel()
    assert waiting.cancel()
    with pytest.raises(CancelledError):
        waiting.result(0)
    eventually(lambda: known(local_pilot) == (2, 2), "scheduler and nodes to hear of it")
    go.touch()
    done = concurrent.futures.wait([*running, waiting], timeout=30, return_when=FIRST_EXCEPTION).done
    assert len(done) == 3
    assert running[0].result() == "go"
    assert not (tmp_path / "begun").exists()


def test_shutdown_ends_what_waits_where_it_is_asked_to(local_pilot: Pilot, tmp_path: Path) -> None:
    executor = local_pilot.executor()
    futures = [executor.submit(wait_for, tmp_path / "go") for _ in range(4)]
    eventually(lambda: sum(future.running() for future in futures) == 2, "two calls that run")
    executor.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)
    (tmp_path / "go").touch()
    executor.shutdown()
    assert sorted(future.cancelled() for future in futures) == [False, False, True, True]
    assert [future.result(0) for future in futures if not future.cancelled()] == ["go", "go"]


def test_calls_that_raise_are_tried_again(local_pilot: Pilot, tmp_path: Path) -> None:
    def second_time(mark: Path) -> str:
        if not mark.exists():
            mark.touch()
            raise OSError("not yet")
        return "now"

    with local_pilot.executor(retries=1) as executor:
        assert executor.submit(second_time, tmp_path / "mark").result(30) == "now"


@pytest.mark.usefixtures("_private_places")
def test_calls_outlive_nodes_and_end_with_the_pilot(tmp_path: Path) -> None:
    with ph.submit("local", name="executor", nodes=2).wait(timeout=60) as pilot:
        executor = pilot.executor()
        begun, go = tmp_path / "begun", tmp_path / "go"
        futures = [executor.submit(wait_for, go, begun) for _ in range(2)]
        eventually(lambda: all(future.running() for future in futures), "two calls that run")
        done = executor.submit(pow, 2, 10)
        os.kill(pilot.nodes[0].pid, signal.SIGKILL)
        eventually(lambda: len(begun.read_text().splitlines()) > 2, "a call that runs again")
        go.touch()
        assert [future.result(60) for future in (*futures, done)] == ["go", "go", 1024]
        go.unlink()
        lost = executor.submit(wait_for, go)
        eventually(lost.running, "a call that runs")
    with pytest.raises(Lost, match="the connection to the pilot 'executor' ended before this call did"):
        lost.result(30)
    with pytest.raises(Conflict, match=r"finished.*ph\.submit\(\) another pilot"):
        executor.submit(abs, 1)
    executor.shutdown()
