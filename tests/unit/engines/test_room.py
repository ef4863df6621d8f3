"""What a member does on a full disk: one that has data waits for room, a new one does not begin."""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engines import member
from pilothouse.errors import Failed

FULL = "the disk of /scratch on exp-1 is full: 0 MiB are free, 64 MiB are needed"


class Channel:
    """Stands in for the line to the driver."""

    def __init__(self, folder: Path) -> None:
        self.sent: list[dict[str, Any]] = []
        self.stopping = threading.Event()
        self.config = {
            "engine": "board", "service": "board-1", "number": 1, "role": "first", "node": "exp-1", "host": "127.0.0.1",
            "cores": 1, "memory": 0, "folder": str(folder), "settings": {}, "members": [],
        }  # fmt: skip

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


class Disks:
    """Stands in for disks that are full for some looks."""

    def __init__(self, looks: int) -> None:
        self.looks = itertools.repeat(FULL, looks)

    def full(self) -> str:
        return next(self.looks, "")


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Channel:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(member, "ROOM_S", 0.01)
    (tmp_path / "secrets.json").write_text(json.dumps({"word": "ahoy"}))
    return Channel(tmp_path)


def runtime(channel: Channel, looks: int) -> Any:
    found: Any = member._Runtime(channel)  # type: ignore[arg-type]
    found._place.disks = Disks(looks)
    return found


def test_a_new_one_does_not_begin(channel: Channel) -> None:
    with pytest.raises(Failed, match="0 MiB are free, 64 MiB are needed"):
        runtime(channel, 1)._find_room()
    assert channel.sent == []


def test_one_that_has_served_waits_and_says_for_what(channel: Channel) -> None:
    found = runtime(channel, 3)
    found._place.note_ready()
    found._find_room()
    (event,) = [message for message in channel.sent if "event" in message]
    assert (event["event"], event["reason"]) == ("waits for room on a disk", FULL)
    assert [message for message in channel.sent if "event" not in message] == [{"reason": FULL}] * 3


def test_one_that_waits_can_be_ended(channel: Channel) -> None:
    found = runtime(channel, 10**9)
    found._place.note_ready()
    found._over.set()
    found._find_room()
    assert len(channel.sent) == 1


def test_figures_are_told_from_the_first_moment_on(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What clients write at once is to be counted."""
    monkeypatch.setattr(member, "METRICS_S", 60.0)
    found = runtime(channel, 0)
    found._place.disks.low = str

    found._member.metrics = lambda: {"words": 0.0}
    found._over.wait = lambda seconds: seconds > 0  # the service ends before the second look
    found._serve()
    assert channel.sent == [{"metrics": {"words": 0.0}}]
