"""What processes leave when they end: descendants that carry their mark, found wherever they hang, and ended."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable

import psutil

#: The variable that names a node process to all that descends from it: ``NODE.PID/KEY``, of the node and of itself.
MARK = "PILOTHOUSE_PROCESS"


def node_mark(node: str, pid: int) -> str:
    """How the marks of all processes of the node begin whose own process is `pid`."""
    return f"{node}.{pid}/"


def marked(start: str, variable: str = MARK) -> list[psutil.Process]:
    """The user's processes whose mark begins so; not this one."""
    me, user = os.getpid(), os.getuid()
    others = (process for process in psutil.process_iter() if process.pid != me and _owner(process) == user)
    return [process for process in others if mark(process, variable).startswith(start)]


def mark(process: psutil.Process, variable: str = MARK) -> str:
    """The mark of a process; empty when it has none, or can't be asked any more."""
    try:
        return process.environ().get(variable, "")
    except (psutil.Error, OSError):
        return ""


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
    """End all that `find` finds, now and again, until it finds nothing: kindly for `grace` seconds, then not.

    Nothing twice: a look takes a moment, in which one may start another and end, and neither is seen.
    """
    deadline = time.monotonic() + grace
    if grace:
        terminate(find())
    looks = 2
    while looks:
        alive = [process for process in find() if is_running(process)]
        looks = 2 if alive else looks - 1
        if not alive:
            continue
        if time.monotonic() > deadline:
            kill(alive)
        if time.monotonic() > deadline + 5.0:  # in the middle of a system call that does not end
            return
        time.sleep(0.01)


def is_running(process: psutil.Process) -> bool:
    """Whether it is there and no zombie."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def lives(pid: int) -> bool:
    """Whether a process of this number is there and no zombie."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return is_running(psutil.Process(pid))
    return False


def _owner(process: psutil.Process) -> int:
    try:
        return int(process.uids().real)
    except psutil.Error:
        return -1
