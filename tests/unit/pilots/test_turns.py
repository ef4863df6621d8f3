"""One of a host's processes at a time: also where the one whose turn it is dies, or stands still."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.pilots.queues.turns import Turn
from tests.waiting import eventually

HOLDER = """
import asyncio, pathlib, sys
from pilothouse.pilots.queues.turns import Turn

async def main():
    async with Turn(pathlib.Path(sys.argv[1]), patience=0.5):
        print("mine", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "poll.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, whose turn it is."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


async def _take(path: Path, within: float = 60.0, patience: float = 0.5) -> None:
    async with asyncio.timeout(within), Turn(path, patience):
        pass


def test_who_works_for_long_keeps_its_turn(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(_take(path, within=3))
    assert path.exists()


def test_who_dies_leaves_it_at_once(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    asyncio.run(_take(path, patience=600))


def test_who_stands_still_loses_it_and_does_not_get_in_the_way_afterwards(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    asyncio.run(_take(path))
    holder.send_signal(signal.SIGCONT)
    eventually(lambda: _touched_again(holder, path), "the other at work again")
    asyncio.run(_take(path))


def _touched_again(holder: subprocess.Popen[str], path: Path) -> bool:
    """Whether its clock has moved since: it touches a file that has no name any more."""
    for link in Path(f"/proc/{holder.pid}/fd").iterdir():
        if os.readlink(link) == f"{path} (deleted)":
            return time.time() - link.stat().st_mtime < 0.4
    return False


def test_only_one_of_many_has_it(path: Path) -> None:
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with Turn(path):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(20)))

    asyncio.run(main())
    assert most == 1
