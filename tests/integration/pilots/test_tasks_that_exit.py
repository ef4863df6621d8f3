"""What a user's function that ends its process does to a pilot: its own error, and one node at most."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.errors import Failed
from tests.waiting import eventually


@pytest.fixture(scope="module")
def pilot(_private_places: None) -> Any:
    with ph.submit("local", name="exits", nodes=2, cores=1, lease="1h").wait(timeout=60) as made:
        yield made


def leave(code: Any) -> None:
    sys.exit(code)


def interrupt() -> None:
    raise KeyboardInterrupt


async def leave_awaited() -> None:
    sys.exit(4)


def vanish(code: int) -> None:
    os._exit(code)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


class Actor:
    def leave(self) -> None:
        sys.exit(5)


def pids(pilot: ph.Pilot) -> dict[str, int]:
    return {node.name: node.pid for node in pilot.nodes if node.state == "running"}


@pytest.mark.parametrize(
    ("function", "arguments", "did"),
    [
        (leave, (3,), r"leave\(\) .*called sys\.exit\(3\)"),
        (leave, ("no more",), r"leave\(\) .*called sys\.exit\('no more'\)"),
        (interrupt, (), r"interrupt\(\) .*raised KeyboardInterrupt"),
        (leave_awaited, (), r"leave_awaited\(\) .*called sys\.exit\(4\)"),
    ],
)
def test_a_function_that_exits_fails_and_its_node_goes_on(
    pilot: ph.Pilot, function: Callable[..., Any], arguments: tuple[Any, ...], did: str
) -> None:
    before = pids(pilot)
    with pytest.raises(Failed, match=did):
        pilot.client().submit(function, *arguments, pure=False).result(timeout=30)
    assert pilot.client().gather(pilot.client().map(abs, range(-20, 0), pure=False)) == list(range(20, 0, -1))
    assert pids(pilot) == before


def test_a_method_of_an_actor_and_a_function_for_nodes_or_the_supervisor_that_exit_end_none(pilot: ph.Pilot) -> None:
    before, client = pids(pilot), pilot.client()
    actor = client.submit(Actor, actor=True).result(timeout=30)
    with pytest.raises(Failed, match=r"called sys\.exit\(5\)"):
        actor.leave().result()
    with pytest.raises(Failed, match=r"called sys\.exit\(6\)"):
        client.run(sys.exit, 6)
    with pytest.raises(Failed, match=r"called sys\.exit\(7\). The supervisor goes on"):
        client.run_on_scheduler(sys.exit, 7)
    del actor
    assert pids(pilot) == before


@pytest.mark.parametrize(
    ("function", "arguments", "did"),
    [
        (vanish, (3,), r"vanish\(\) .*ended by itself with exit code 3"),
        (vanish, (0,), r"vanish\(\) .*ended by itself with exit code 0"),
        (crash, (), r"crash\(\) .*died of SIGSEGV"),
    ],
)
def test_a_function_that_ends_its_process_takes_one_node_and_is_named(
    pilot: ph.Pilot, function: Callable[..., Any], arguments: tuple[Any, ...], did: str
) -> None:
    before, client = pids(pilot), pilot.client()
    others = client.map(time.sleep, [0.3] * 12, pure=False)
    with pytest.raises(Failed, match=did):
        client.submit(function, *arguments, pure=False, priority=10).result(timeout=60)
    assert client.gather(others) == [None] * 12
    pilot.wait(nodes=2, timeout=60)
    assert len(before.items() - pids(pilot).items()) == 1


def test_what_a_killed_node_was_at_is_done_elsewhere(pilot: ph.Pilot, tmp_path: Path) -> None:
    client, marks = pilot.client(), tmp_path

    def work(number: int) -> int:
        (marks / f"{number}.{os.getpid()}").touch()
        time.sleep(1.0)
        return number

    futures = client.map(work, range(4), pure=False)
    started = eventually(lambda: list(marks.iterdir()), "a task at work")
    os.kill(int(started[0].suffix[1:]), signal.SIGKILL)
    assert client.gather(futures) == list(range(4))
    pilot.wait(nodes=2, timeout=60)


def test_threads_of_a_task_may_exit_as_anywhere(pilot: ph.Pilot) -> None:
    def work() -> str:
        thread = threading.Thread(target=sys.exit)
        thread.start()
        thread.join()
        return "done"

    assert pilot.client().submit(work, pure=False).result(timeout=30) == "done"
