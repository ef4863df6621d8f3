"""Get what engines need before they are started: for hosts whose nodes have no network."""

from __future__ import annotations

import sys
from pathlib import Path

from pilothouse.engines.jvm.archives import archive
from pilothouse.engines.jvm.jars import fetch as fetch_jars
from pilothouse.engines.jvm.java import java
from pilothouse.engines.jvm.lock import lock
from pilothouse.engines.listing import jars_of
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
    wanted = dict.fromkeys(part for name in names for part in jars_of(name))
    for software in wanted:
        lock(software)  # all names are known before anything is fetched
    for software in wanted:
        paths = fetch_jars(software, _say, None if folder is None else Path(folder).expanduser())
        if folder is not None:
            continue
        try:
            made = archive(software, paths, java())
        except Unavailable as error:  # fetched on a host that is not the one that runs it
            _say(f"{software}: no archive of classes is made: {error}")
            continue
        if made.lists and not made.there:
            _say(f"{software}: an archive of its classes is made, by which it starts faster")
            made.make()


def _say(text: str) -> None:
    """To standard error: standard output is the answer's."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress, in a terminal and in a cell
