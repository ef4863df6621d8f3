"""The sources, processors and brokers that there are, by name: entry points, so that a package can bring its own.

Their groups are ``pilothouse.sources``, ``pilothouse.processors`` and ``pilothouse.brokers``; each names a class of
:mod:`pilothouse.streams.protocols`. It is imported when it is used.
"""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint
from typing import Any

from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.installed import entry_points


def sources() -> dict[str, str]:
    """The sources by name, with a line about each."""
    return _described("source")


def processors() -> dict[str, str]:
    """The processors by name, with a line about each."""
    return _described("processor")


def brokers() -> dict[str, str]:
    """The brokers by name, with a line about each."""
    return _described("broker")


@functools.cache
def _known(kind: str) -> dict[str, EntryPoint]:
    found = {point.name: point for point in entry_points(group=f"pilothouse.{kind}s")}
    return dict(sorted(found.items()))


def _described(kind: str) -> dict[str, str]:
    return {name: _line_about(kind, name) for name in _known(kind)}


def _line_about(kind: str, name: str) -> str:
    """The first line of its class's docstring, or why it can't be used here."""
    try:
        said = (load(kind, name).__doc__ or "").strip()
    except Unavailable as error:
        return str(error)
    return said.partition("\n")[0].removesuffix(".")


def check(kind: str, name: str) -> str:
    """`name` itself.

    Raises
    ------
    InvalidInput
        There is none of this `kind` called so; the message lists what there is.
    """
    if name not in _known(kind):
        raise InvalidInput(f"{kind}={name!r} is not known; there is {', '.join(_known(kind))}", field=kind)
    return name


def load(kind: str, name: str) -> Any:
    """The class called `name`.

    Raises
    ------
    InvalidInput
        There is none.
    Unavailable
        It can't be imported here.
    """
    point = _known(kind)[check(kind, name)]
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise Unavailable(f"{kind} {name!r} ({point.value}) can't be used: {error}") from error
