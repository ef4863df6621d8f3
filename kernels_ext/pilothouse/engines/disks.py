"""The disks that a member's data is on: whether there is room, and which of them is full."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

#: Bytes that a disk has to have free for daemons to begin on it, and to go on without a word.
LEAST = 64 << 20
#: Bytes that are written to see whether they may be: quotas are not in what a file system says of itself.
PROBE = 1 << 20


class Disks:
    """The file systems of some folders on this node.

    Parameters
    ----------
    folders
        Those that are not there yet are looked for where they will be.
    node
        Its name, for people.
    """

    def __init__(self, folders: Sequence[Path], node: str) -> None:
        self._folders, self._node = list(folders), node

    def low(self) -> str:
        """Which of them has hardly any room left, in words for people; empty: none."""
        for folder in self._folders:
            there = _existing(folder)
            if (free := shutil.disk_usage(there).free) < LEAST:
                return f"the disk of {folder} on {self._node} is full: {free >> 20} MiB are free"
        return ""

    def full(self) -> str:
        """As :meth:`low`, and where nothing may be written though there is room: quotas."""
        if words := self.low():
            return f"{words}, {LEAST >> 20} MiB are needed"
        for folder in self._folders:
            try:
                with tempfile.TemporaryFile(dir=_existing(folder)) as probe:
                    probe.write(bytes(PROBE))
                    probe.flush()
                    os.fsync(probe.fileno())  # what a server is asked for only then
            except OSError as error:
                return f"nothing can be written to {folder} on {self._node}: {error.strerror}"
        return ""


def _existing(folder: Path) -> Path:
    """The folder, or the one in which it would be made."""
    return next(path for path in (folder, *folder.parents) if path.exists())
