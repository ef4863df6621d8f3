"""What installed packages have registered: engines, kinds of runs, batch systems, handles."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
from importlib.metadata import EntryPoints


def entry_points(*, group: str, name: str | None = None) -> EntryPoints:
    """As :func:`importlib.metadata.entry_points`, which opens files of all packages, for ten milliseconds and more.

    Here it does so again only where packages may have come or gone.
    """
    found = _registered(group, _places())
    return found if name is None else found.select(name=name)


def _places() -> tuple[tuple[str, int], ...]:
    """The folders in which Python looks, and when something came there, or went, for the last time."""
    found = []
    for folder in sys.path:
        try:
            found.append((folder, os.stat(folder or ".").st_mtime_ns))
        except OSError:  # as Python, which looks on
            continue
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _registered(group: str, _: tuple[tuple[str, int], ...]) -> EntryPoints:
    return importlib.metadata.entry_points(group=group)
