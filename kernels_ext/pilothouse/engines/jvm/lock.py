"""What is pinned: the jars of a piece of software, each by name, coordinates and SHA-256.

The files in ``locks/`` are made by ``.ci/lock_jars.py``, which says how to renew them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pilothouse.errors import InvalidInput

FOLDER = Path(__file__).parent / "locks"


class Jar(NamedTuple):
    """One jar.

    Attributes
    ----------
    coordinates
        ``group:artifact:version``.
    file
        Its name.
    size
        Bytes.
    sha256
        Of its bytes, hexadecimal.
    flat
        Programs look through all of it when they start: they get a copy in which nothing is compressed.
    """

    coordinates: str
    file: str
    size: int
    sha256: str
    flat: bool = False


class Lock(NamedTuple):
    """All jars of a piece of software, in the order of its class path."""

    software: str
    version: str
    jars: tuple[Jar, ...]

    @property
    def folder(self) -> str:
        """The name of the folder that they are in."""
        return f"{self.software}-{self.version}"

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(jar.size for jar in self.jars)


@lru_cache(maxsize=16)
def lock(software: str) -> Lock:
    """What is pinned for `software`.

    Raises
    ------
    InvalidInput
        Nothing is.
    """
    try:
        read = json.loads((FOLDER / f"{software}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(
            f"name={software!r}: no jars are known by that name; there are: {', '.join(known())}", field="name"
        ) from None
    return Lock(software, read["version"], tuple(Jar(**jar) for jar in read["jars"]))


def known() -> list[str]:
    """All software whose jars are pinned."""
    return sorted(_names())


def _names() -> Iterator[str]:
    return (path.stem for path in FOLDER.glob("*.json"))
