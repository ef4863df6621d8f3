"""The launcher of RADICAL-Pilot, without one: what begins, and what is taken back from it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.tasks.radical.launcher import Radical


class Channel:
    """The line to a driver: what is sent."""

    def __init__(self, folder: Path) -> None:
        common = {"stage": "link", "cores": 1, "ranks": None, "timeout": None, "gpus": 0, "radical": {}}
        self.config = {
            "node": "n-1", "mark": "m", "capacity": {"cores": 2, "gpus": 0}, "common": common,
            "folder": str(folder), "work": str(folder / "work"), "many": True,
        }  # fmt: skip
        self.leaving, self.stopping, self.was_terminated = threading.Event(), threading.Event(), False
        self.sent: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path)


@pytest.fixture
def radical(channel: Channel, tmp_path: Path) -> Radical:
    found = Radical(channel)  # type: ignore[arg-type]
    found._bridge = SimpleNamespace(stdin=(tmp_path / "orders").open("w"))  # type: ignore[assignment]
    (tmp_path / "radical" / "n-1").mkdir(parents=True)
    return found


def task(number: int) -> dict[str, Any]:
    return {"task": number, "attempt": 1, "argv": ["echo", "ran"], "env": {}, "inputs": {}, "outputs": []}


def start(folder: Path, number: int) -> int:
    """As RADICAL-Pilot starts it."""
    return subprocess.run(["sh", folder / "radical" / "n-1" / f"task.{number:06}.1.sh"], check=False).returncode


def test_what_was_not_begun_when_its_node_goes_is_taken_back_and_does_not_run(
    radical: Radical, channel: Channel, tmp_path: Path
) -> None:
    radical._give([{"tasks": [task(0), task(1), task(2)]}])
    for _ in "ab":  # of two ranks, both
        assert start(tmp_path, 0) == 0
    radical._heard({"executing": "task.000000.1"})
    radical._heard({"executing": "task.000001.1"})  # RADICAL-Pilot says so a moment before
    radical._leave()
    assert channel.sent[-1] == {"ended": [], "free": [], "returned": [1, 2]}
    assert start(tmp_path, 1) == start(tmp_path, 2) == 0
    prints = {path: path.read_text() for path in tmp_path.rglob("*stdout*") if path.is_file()}
    assert sorted(prints.values()) == ["", "", "ran\nran\n"]
    radical._heard({"ended": "task.000001.1", "state": "DONE", "code": 0, "error": "", "seconds": 0.1})
    assert not any(message.get("ended") for message in channel.sent), "it is somebody else's"
    radical._give([{"tasks": [task(3)]}])
    assert channel.sent[-1]["returned"] == [3]
    assert not radical._over
    radical._heard({"ended": "task.000000.1", "state": "DONE", "code": 0, "error": "", "seconds": 0.1})
    assert [end["task"] for message in channel.sent for end in message.get("ended", ())] == [0]
    assert radical._over


def test_a_task_that_can_not_say_that_it_begins_fails(radical: Radical, tmp_path: Path) -> None:
    radical._give([{"tasks": [task(0)]}])
    (tmp_path / "radical" / "n-1" / "task.000000.1.is").write_text("")
    assert start(tmp_path, 0) == 75
    assert "can not be made" in "".join(path.read_text() for path in tmp_path.rglob("*stderr*"))


def test_what_fails_with_its_node_is_not_to_blame(radical: Radical, channel: Channel) -> None:
    radical._give([{"tasks": [task(0)]}])
    channel.was_terminated = True
    radical._heard({"ended": "task.000000.1", "state": "FAILED", "code": 143, "error": "", "seconds": 0.1})
    assert {"ended": [], "free": [], "lost": [0]} in channel.sent
