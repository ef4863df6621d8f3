"""Get what engines need before they are started: for hosts whose nodes have no network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pilothouse.engines.jvm.archives import Archive, archive
from pilothouse.engines.jvm.jars import fetch as fetch_jars
from pilothouse.engines.jvm.java import java
from pilothouse.engines.jvm.lock import lock
from pilothouse.engines.listing import archives_of, jars_of
from pilothouse.errors import Unavailable


def fetch(*names: str, folder: str | Path | None = None) -> None:
    """Fetch the jars of engines, and make the archives that let them start faster, where they are not there.

    Parameters
    ----------
    names
        Of engines, or of the software that they need (``hadoop``).
    folder
        For an administrator: the folder to put the jars into, which users name in ``PILOTHOUSE_JARS``. The user's own
        cache where there is none.

    Raises
    ------
    InvalidInput
        There are no jars of that name.
    Unavailable, Untrusted
        They can't be fetched, or are not what they should be.

    Examples
    --------
    >>> ph.engines.fetch("kafka")  # doctest: +SKIP
    kafka 4.4.0: 45 jars, 44.6 MB, are fetched into ...
    """
    needed = {name: jars_of(name) for name in names}
    for name in [name for name, jars in needed.items() if not jars]:
        _say(f"{name} needs no jars")
    wanted = dict.fromkeys(software for jars in needed.values() for software in jars)
    for software in wanted:
        lock(software)  # all names are known before anything is fetched
    for software in wanted:
        paths = fetch_jars(software, _say, None if folder is None else Path(folder).expanduser())
        if folder is None:
            _make(software, lambda name=software, jars=paths: [archive(name, jars, java())])  # type: ignore[misc]
    for name in dict.fromkeys(names) if folder is None else ():
        _make(name, lambda name=name: archives_of(name))  # type: ignore[misc]


def _make(name: str, archives: Callable[[], Sequence[Archive]]) -> None:
    """Make those of the archives of `name` that are not there."""
    try:
        wanted = archives()
    except Unavailable as error:  # fetched on a host that is not the one that runs it
        _say(f"{name}: no archive of classes is made: {error}")
        return
    for each in wanted:
        if each.lists and not each.there:
            _say(f"{name}: an archive of its classes is made, by which it starts faster")
            each.make()


def _say(text: str) -> None:
    """To standard error: standard output is the answer's."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress, in a terminal and in a cell
