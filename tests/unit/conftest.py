"""A disk that fills up."""

from __future__ import annotations

import errno
import os
import stat

import pytest


class Disk:
    """While it is full, no file of this process grows, and what is written to be renamed is not."""

    full = False

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        write, fsync = os.write, os.fsync

        def check(descriptor: int) -> None:
            if self.full and stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def checked_write(descriptor: int, data: bytes) -> int:
            check(descriptor)
            return write(descriptor, data)

        def checked_fsync(descriptor: int) -> None:
            check(descriptor)
            fsync(descriptor)

        patch.setattr(os, "write", checked_write)
        patch.setattr(os, "fsync", checked_fsync)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """One that has room until the test says otherwise."""
    return Disk(monkeypatch)
