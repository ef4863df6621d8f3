"""Which of a lock's jars are in a folder as they should be: by their SHA-256, reckoned once for each file.

A file that was right counts as right while its size, times, inode are what they were: the time of a change of its
bytes or its name can't be set back by who is not root. What is known is kept in the user's own cache, not beside the
jars: who can write there could have it say what they like.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pilothouse.engines.jvm.cache import cache
from pilothouse.engines.jvm.lock import Jar
from pilothouse.state import make_private, write_atomic


class Look(NamedTuple):
    """What a look into a folder found: those that are right, that are missing, and that are not what they should be."""

    right: list[Jar]
    missing: list[Jar]
    altered: list[Jar]

    @property
    def whole(self) -> bool:
        """Whether all are there and right."""
        return not self.missing and not self.altered


def look(folder: Path, jars: Iterable[Jar], *, copies: bool = False) -> Look:
    """Which of `jars` are in `folder`.

    Parameters
    ----------
    copies
        What is there is made of the jars, byte for byte another thing, and right as long as :func:`note` knows it.
    """
    known = _Known(folder)
    found = Look([], [], [])
    for jar in jars:
        path = folder / jar.file
        try:
            mark = _mark(path)
            right = known.has(jar, mark) or (not copies and sha256(path) == jar.sha256)
        except OSError:
            found.missing.append(jar)
            continue
        (found.right if right else found.altered).append(jar)
        if right:
            known.add(jar, mark)
    known.save()
    return found


def note(folder: Path, jar: Jar) -> None:
    """Know what is in `folder` by the name of `jar` as right: it was just made of it."""
    known = _Known(folder)
    known.add(jar, _mark(folder / jar.file))
    known.save()


def sha256(path: Path) -> str:
    """Of the bytes of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mark(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


class _Known:
    """What is known of a folder's files; not the device: NFS has another number on each host."""

    def __init__(self, folder: Path) -> None:
        word = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
        self._path = cache() / "verified" / f"{word}.json"
        self.marks: dict[str, list[object]] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError):
            read = json.loads(self._path.read_text(encoding="utf-8"))
            self.marks = read if isinstance(read, dict) else {}

    def has(self, jar: Jar, mark: list[int]) -> bool:
        return self.marks.get(jar.file) == [jar.sha256, *mark]

    def add(self, jar: Jar, mark: list[int]) -> None:
        if not self.has(jar, mark):
            self.marks[jar.file] = [jar.sha256, *mark]
            self._changed = True

    def save(self) -> None:
        """Where it can't be written, they are reckoned again the next time."""
        if self._changed:
            with contextlib.suppress(OSError):
                make_private(self._path.parent)
                write_atomic(self._path, json.dumps(self.marks, indent=0).encode())
