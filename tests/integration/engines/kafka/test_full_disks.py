"""A real disk that is really full, a file system in memory: the broker waits for room, and has lost nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from benchmarks.numbered import Numbered
from pilothouse.errors import Failed
from tests.waiting import eventually

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes file systems"),
]
PATIENCE_S = 120.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one."""
    there = tmp_path / "disk"
    there.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m,mode=700", "tmpfs", there], check=True)
    try:
        yield there
    finally:
        subprocess.run(["umount", there], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Take all room that there is, but for so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):  # when there is none left
        while shutil.disk_usage(disk).free > leave:
            file.write(bytes(1 << 20))
    return ballast


def waits(kafka: Any) -> list[Any]:
    return [event for event in kafka.events() if event["what"] == "waits for room on a disk"]


def test_a_broker_waits_for_room_and_nothing_that_was_acknowledged_is_lost(disk: Path, state_home: Path) -> None:
    with ph.submit("local", name="filling", memory="1 GiB", lease="30m").wait(timeout=60) as pilot:
        kafka: Any = pilot.start("kafka", heap="192 MiB", keep=str(disk / "kafka")).wait(timeout=PATIENCE_S)
        kafka.create("numbers", partitions=2)
        with Numbered(kafka, "numbers", 2, rate=300) as numbered:
            eventually(lambda: numbered.acknowledged > 300, "messages", 30)
            for times in (1, 2):
                ballast = fill(disk)
                eventually(lambda at=times: len(waits(kafka)) == at, "a broker that waits", PATIENCE_S)
                eventually(
                    lambda: f"the disk of {disk}/kafka on filling-1 is full: 0 MiB" in kafka.reason, "the reason"
                )
                assert kafka.state == "starting"
                there = numbered.acknowledged
                ballast.unlink()
                kafka.wait(timeout=PATIENCE_S)
                eventually(lambda at=there: numbered.acknowledged > at + 300, "messages again", PATIENCE_S)
        found = numbered.found()
        assert (found.lost, found.doubled, found.disordered, found.refused) == (0, 0, 0, 0), found
        assert kafka.reason == ""
        kafka.stop()
        fill(disk, leave=8 << 20)
        other = pilot.start("kafka", heap="192 MiB", keep=str(disk / "other"))
        full = rf"the disk of {disk}/other on filling-1 is full: \d MiB are free, 64 MiB are needed"
        with pytest.raises(Failed, match=full):
            other.wait(timeout=PATIENCE_S)
