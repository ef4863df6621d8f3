"""The engines that are installed: entry points of the group ``pilothouse.engines``."""

from __future__ import annotations

import functools

from pilothouse.engines.protocols import Engine
from pilothouse.errors import InvalidInput
from pilothouse.installed import entry_points

GROUP = "pilothouse.engines"


def names() -> list[str]:
    """The names of all engines."""
    return sorted({point.name for point in entry_points(group=GROUP)})


@functools.cache
def engine(name: str) -> Engine:
    """The engine of that name.

    Raises
    ------
    InvalidInput
        There is none.
    """
    for point in entry_points(group=GROUP, name=name):
        made: Engine = point.load()()
        return made
    there = ", ".join(names()) or "none"
    raise InvalidInput(f"engine={name!r}: there is no such engine; there are: {there}", field="engine")
