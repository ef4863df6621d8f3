"""Nodes go away under executables, told or not: each comes to its end once, and never runs twice at the same time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.pilots import Pilot
from pilothouse.tasks.handle import Task
from tests.waiting import eventually

#: It says so when an earlier process of the same task still lives.
SCRIPT = """
cd {folder}
if [ -e {{i}}.pid ] && grep -q "State:.[^ZX]" /proc/$(cat {{i}}.pid)/status 2> /dev/null; then echo {{i}} >> doubled; fi
echo $$ > {{i}}.pid
echo {{i}} >> begun
sleep {seconds}
echo {{i}} >> ended
"""


@pytest.fixture
def pilot(state_home: Path) -> Pilot:
    return ph.submit("local", name="changing", nodes=2, cores=2, lease="1h").wait(timeout=60)


def lines(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def start(pilot: Pilot, folder: Path, number: int, seconds: float) -> Task:
    script = SCRIPT.format(folder=folder, seconds=seconds)
    tasks = pilot.map_execute(["sh", "-c", script], [{"i": i} for i in range(number)])
    eventually(lambda: len(lines(folder / "begun")) >= min(4, number), "tasks on both nodes")
    return tasks


def test_what_runs_on_a_node_that_is_given_back_comes_to_its_end_there(pilot: Pilot, tmp_path: Path) -> None:
    tasks = start(pilot, tmp_path, 8, 3)
    pilot.shrink(1)
    assert set(tasks.result(timeout=120)["state"].values) == {"finished"}
    assert sorted(lines(tmp_path / "begun")) == sorted(lines(tmp_path / "ended")) == list(range(8))


def test_what_ran_on_a_node_that_was_killed_is_dead_before_it_runs_again(pilot: Pilot, tmp_path: Path) -> None:
    tasks = start(pilot, tmp_path, 6, 4)
    os.kill(pilot.nodes[0].pid, signal.SIGKILL)
    assert set(tasks.result(timeout=120)["state"].values) == {"finished"}
    assert not lines(tmp_path / "doubled")
    assert sorted(lines(tmp_path / "ended")) == list(range(6))
    assert len(lines(tmp_path / "begun")) > 6


def test_a_task_longer_than_the_drain_is_given_back(
    state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text("[local]\ndrain = 4\n")
    monkeypatch.setenv("PILOTHOUSE_SITES", str(sites))
    pilot = ph.submit("local", name="impatient", nodes=2, cores=1, lease="1h").wait(timeout=60)
    script = SCRIPT.format(folder=tmp_path, seconds=12)
    tasks = pilot.map_execute(["sh", "-c", script], [{"i": i} for i in range(2)])
    eventually(lambda: len(lines(tmp_path / "begun")) == 2, "tasks on both nodes")
    pilot.shrink(1)
    assert set(tasks.result(timeout=120)["state"].values) == {"finished"}
    assert not lines(tmp_path / "doubled")
    assert sorted(lines(tmp_path / "ended")) == [0, 1]
    assert len(lines(tmp_path / "begun")) == 3
