"""Ending executables with everything that they started, also what tried to get away."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable, Iterable

import psutil

#: Names a task to all that descends from it.
MARK = "PILOTHOUSE_TASK_ID"
_PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """Become the parent of descendants whose own parent ends: what detaches itself stays in reach (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def tree(pid: int, mark: str, spared: Iterable[int] = ()) -> list[psutil.Process]:
    """The process `pid`, its descendants, and this process's other descendants that carry `mark`.

    Those of the processes `spared`, and these themselves, are not among the latter.
    """
    found = family(pid)
    others = {process for root in spared for process in family(root)}
    for process in psutil.Process().children(recursive=True):
        if process.pid not in found and process.pid not in others and _mark(process) == mark:
            found[process.pid] = process
    return list(found.values())


def family(pid: int) -> dict[int, psutil.Process]:
    """The process `pid` and its descendants, by number; nothing when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return {process.pid: process for process in [root, *root.children(recursive=True)]}
    return {}


def marked(start: str) -> list[psutil.Process]:
    """The user's processes with a mark that begins so, wherever they hang."""
    me = os.getuid()
    return [p for p in psutil.process_iter() if _owner(p) == me and _mark(p).startswith(start)]


def terminate(processes: Iterable[psutil.Process]) -> None:
    """SIGTERM to each."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL to each."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def end(find: Callable[[], list[psutil.Process]], grace: float) -> None:
    """End all that `find` finds, now and again, until it finds nothing: kindly for `grace` seconds, then not."""
    deadline = time.monotonic() + grace
    terminate(find())
    while alive := [p for p in find() if _running(p)]:
        if time.monotonic() > deadline:
            kill(alive)
        if time.monotonic() > deadline + 5.0:  # in the middle of a system call that does not end
            return
        time.sleep(0.01)


def _running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _mark(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK, "")
    except (psutil.Error, OSError):
        return ""


def _owner(process: psutil.Process) -> int:
    try:
        return int(process.uids().real)
    except psutil.Error:
        return -1
