"""Ending executables with everything that they started, also what tried to get away."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import psutil

from pilothouse import remains

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
        if process.pid not in found and process.pid not in others and remains.mark(process, MARK) == mark:
            found[process.pid] = process
    return list(found.values())


def family(pid: int) -> dict[int, psutil.Process]:
    """The process `pid` and its descendants, by number; nothing when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return {process.pid: process for process in [root, *root.children(recursive=True)]}
    return {}


def strays(known: Collection[int]) -> bool:
    """Whether this process has children that are not `known`: it has adopted what lost its parent."""
    me = os.getpid()
    with contextlib.suppress(OSError):
        return any(int(pid) not in known for pid in Path(f"/proc/{me}/task/{me}/children").read_text().split())
    return True  # the system does not say
