"""MPI programs: on one node with its launcher, across nodes through the pilot's own launchers."""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Failed, InvalidInput
from pilothouse.pilots import Pilot
from pilothouse.tasks.handle import Task
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(
    not (shutil.which("mpiexec.hydra") and ctypes.util.find_library("mpich")), reason="mpich is not installed"
)
PROGRAM = [sys.executable, Path(__file__).with_name("mpi_program.py")]


@pytest.fixture(scope="module")
def wide_pilot(_private_places: None) -> Iterator[Pilot]:
    """Two nodes of two cores each, on one host."""
    with ph.submit("local", name="wide", nodes=2, cores=2).wait(timeout=60) as pilot:
        yield pilot


def lines(task: Task) -> list[str]:
    return sorted(task.stdout().splitlines())


def proxies(task: Task) -> set[str]:
    return set(re.findall(r"proxy (\d+)", task.stdout()))


def waits(task: Task) -> int:
    """Wait until the last of four ranks is there; its process."""
    file = task.work / "rank-3"
    return int(eventually(file.read_text, "the process of the last rank"))


def test_ranks_that_fit_share_a_node(wide_pilot: Pilot) -> None:
    task = wide_pilot.execute(PROGRAM, ranks=2)
    task.result(timeout=60)
    assert [line.split(", proxy")[0] for line in lines(task)] == ["0 of 2, sum 1", "1 of 2, sum 1"]
    assert len(proxies(task)) == 1
    assert all(line.endswith(f"threads 1, in {task.work}") for line in lines(task))


def test_ranks_that_do_not_fit_span_nodes(wide_pilot: Pilot) -> None:
    task = wide_pilot.execute(PROGRAM, ranks=4)
    task.result(timeout=60)
    assert [line.split(", proxy")[0] for line in lines(task)] == [f"{i} of 4, sum 6" for i in range(4)]
    assert len(proxies(task)) == 2
    assert task.exit_code == 0
    started = {event["node"] for event in task.events() if event["what"] == "process started"}
    assert started == {node.name for node in wide_pilot.nodes if node.state == "running"}


def test_a_launcher_may_end_long_after_its_ranks(wide_pilot: Pilot, tmp_path: Path) -> None:
    """Many sites' mpiexec is a script around another one: both have the time that they take."""
    slow = tmp_path / "mpiexec-of-a-site"
    slow.write_text('#!/bin/sh\nmpiexec.hydra "$@"\ncode=$?\nsleep 1\nexit $code\n')
    slow.chmod(0o755)
    task = wide_pilot.execute(PROGRAM, ranks=4, launcher=str(slow))
    task.result(timeout=60)
    assert len(lines(task)) == 4


def test_a_rank_may_have_many_cores(wide_pilot: Pilot) -> None:
    task = wide_pilot.execute(PROGRAM, ranks=2, cores=2)
    task.result(timeout=60)
    assert len(proxies(task)) == 2
    assert all("threads 2" in line for line in lines(task))


def test_a_failing_rank_fails_the_task(wide_pilot: Pilot) -> None:
    task = wide_pilot.execute([*PROGRAM, "fail"], ranks=4)
    with pytest.raises(Failed, match="rank 3: exit code 7"):
        task.result(timeout=60)
    assert task.exit_code == 7
    assert wide_pilot.execute(PROGRAM, ranks=4).result(timeout=60) == {}  # its nodes are free again


def test_stop_ends_the_ranks_everywhere(wide_pilot: Pilot) -> None:
    task = wide_pilot.execute([*PROGRAM, "wait"], ranks=4)
    rank = psutil.Process(waits(task))
    task.stop()
    assert not remains.is_running(rank)


def test_an_mpi_program_that_loses_a_node_begins_again(wide_pilot: Pilot) -> None:
    task = wide_pilot.execute([*PROGRAM, "wait"], ranks=4)
    waits(task)
    (task.work / "go").touch()
    nodes = [event["node"] for event in task.events() if event["what"] == "process started"]
    victim = next(node for node in wide_pilot.nodes if node.name == nodes[1])
    os.kill(victim.pid, signal.SIGKILL)
    task.result(timeout=100)
    assert [line.split(", proxy")[0] for line in lines(task)] == [f"{i} of 4, sum 6" for i in range(4)]
    assert int(task.tasks["attempts"][0]) == 1


def test_a_missing_program_or_launcher_is_named(wide_pilot: Pilot) -> None:
    for ranks in (2, 4):
        task = wide_pilot.execute(["no-such-program"], ranks=ranks)
        with pytest.raises(Failed, match="'no-such-program' was not found"):
            task.result(timeout=60)
        assert task.exit_code == 127
    with pytest.raises(Failed, match="'no-mpiexec' was not found to start an MPI program"):
        wide_pilot.execute(PROGRAM, ranks=2, launcher="no-mpiexec -v").result(timeout=60)


def test_more_ranks_than_the_pilot_has_room_for(wide_pilot: Pilot) -> None:
    with pytest.raises(InvalidInput, match="room for 4 ranks of 1 cores") as caught:
        wide_pilot.execute(PROGRAM, ranks=5)
    assert caught.value.field == "ranks"
