"""One of a host's processes at a time, however they end or hang."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path

#: Seconds between two looks of those who wait.
_LOOK_S = 0.05


class Turn:
    """A lock among processes of one host: ``async with Turn(path)``.

    It goes with the process that has it, and leaves one that stands still (stopped, or on a file system that hangs):
    who has it touches its file, and where that has not happened for `patience` seconds, the next one takes another
    file of that name. So two may have it for a moment, which must do no harm.
    """

    def __init__(self, path: Path, patience: float = 10.0) -> None:
        self._path = path
        self._patience = patience
        self._descriptor = -1
        self._next: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        seen, since = _sign(self._path), time.monotonic()
        while (descriptor := _take(self._path)) is None:
            sign, now = _sign(self._path), time.monotonic()
            if sign != seen:
                seen, since = sign, now
            elif now - since > self._patience:
                self._path.unlink(missing_ok=True)
            await asyncio.sleep(_LOOK_S)
        self._descriptor = descriptor
        self._touch()

    async def __aexit__(self, *_: object) -> None:
        if self._next is not None:
            self._next.cancel()
        os.close(self._descriptor)

    def _touch(self) -> None:
        os.utime(self._descriptor)
        self._next = asyncio.get_running_loop().call_later(self._patience / 10, self._touch)


def _take(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # somebody has it, or has just taken its name away
    os.close(descriptor)
    return None


def _sign(path: Path) -> tuple[int, int] | None:
    """What changes while somebody has it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
