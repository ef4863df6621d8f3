r"""Append-only files of JSON objects, a line each: whatever a crash cut off, every other line is read.

A line ends with ``\n`` and with nothing else: U+2028 and its like are part of a text. Each call of :func:`append` is
one write at the end of the file. When the line before it was torn, that is ended first, so it takes nothing with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pilothouse.state import write_atomic


def append(path: Path, entries: Iterable[Mapping[str, Any]]) -> int:
    """Add `entries` to the file at `path`, which is made (mode 0600) if need be; its size in bytes after that.

    They are in the system's hands when this returns, not yet on disk: they survive this process, not this host.

    Raises
    ------
    OSError
        They could not be written, or not all of them.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return write(descriptor, entries)
    finally:
        os.close(descriptor)


def write(descriptor: int, entries: Iterable[Mapping[str, Any]]) -> int:
    """As :func:`append`, to a file that is open to be read and appended to."""
    data = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
    size = os.fstat(descriptor).st_size
    if data and size and os.pread(descriptor, 1, size - 1) != b"\n":
        data = b"\n" + data
    rest = memoryview(data)
    while rest:  # a disk that fills up takes a part, and refuses the next
        rest = rest[os.write(descriptor, rest) :]
    return size + len(data)


def read(path: Path) -> list[dict[str, Any]]:
    """The objects in the file at `path`, in their order; none when there is no file. What was torn is left out."""
    found = []
    for line in _data(path).split(b"\n"):
        try:
            entry = json.loads(line)
        except ValueError:  # no JSON, or cut within a letter
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found


def whole(path: Path) -> tuple[list[bytes], int]:
    """The lines that were ended, as they are, and the bytes that they take: a last one that was torn is behind them."""
    data = _data(path)
    size = data.rfind(b"\n") + 1
    return data[:size].split(b"\n")[:-1], size


def halve(path: Path) -> None:
    """Keep the latter half of the lines; a crash leaves all of them."""
    lines = _data(path).split(b"\n")
    write_atomic(path, b"\n".join(lines[len(lines) // 2 :]))


def _data(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
