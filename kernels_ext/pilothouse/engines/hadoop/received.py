"""Where what is read of an HDFS goes, without a copy on the way: into memory, or to a file of this host."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any, Protocol

from fsspec.callbacks import Callback

from pilothouse.engines.hadoop.datanode import PIECE

#: Reads what comes next into a place; how much that was.
Read = Callable[[memoryview], int]


class Received(Protocol):
    """What takes bytes in their order."""

    def begin(self, total: int | None) -> None:
        """So many will come; None where that is not said."""

    def take(self, read: Read) -> int:
        """Take the next ones; how many these were, 0 at the end."""


class InMemory:
    """In memory: each byte is read to where it stays."""

    def __init__(self) -> None:
        self._file, self._at = io.BytesIO(), 0

    def begin(self, total: int | None) -> None:
        """See :class:`Received`."""
        self._grow(total or 0)

    def take(self, read: Read) -> int:
        """See :class:`Received`."""
        if self._file.getbuffer().nbytes == self._at:
            self._grow(self._at + PIECE)
        with self._file.getbuffer() as whole, whole[self._at :] as room:
            got = read(room)
        self._at += got
        return got

    def whole(self) -> bytes:
        """What has come."""
        self._file.truncate(self._at)
        return self._file.getvalue()

    def _grow(self, size: int) -> None:
        if size:
            self._file.seek(size - 1)
            self._file.write(b"\0")


class OnDisk:
    """In a file, which is made when the first bytes come.

    Parameters
    ----------
    open
        Opens it.
    callback
        Is told how far it is.
    """

    def __init__(self, open: Callable[[], contextlib.AbstractContextManager[Any]], callback: Callback) -> None:  # noqa: A002
        self._open, self._callback = open, callback
        self._opened, self._piece = contextlib.ExitStack(), memoryview(bytearray(PIECE))

    def begin(self, total: int | None) -> None:
        """See :class:`Received`."""
        self._callback.set_size(total)
        self._file = self._opened.enter_context(self._open())

    def take(self, read: Read) -> int:
        """See :class:`Received`."""
        got = read(self._piece)
        self._file.write(self._piece[:got])
        self._callback.relative_update(got)
        return got

    def close(self) -> None:
        """Close the file."""
        self._opened.close()
