"""Histories: what happened when and why, a line of JSON each."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.errors import InvalidInput
from pilothouse.registry import lines
from pilothouse.state import utcnow

logger = logging.getLogger(__name__)

#: Seconds by which the clocks of this host and of the file system may differ.
CLOCKS_S = 1.0
#: So many last lines may tell what ended a process; what they are part of may begin before them.
LAST, BEFORE = 40, 200
#: A line that was logged, and its level.
_LOGGED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?:- \S+ - )?([A-Z]+)\b")
#: What nobody logs: a crash of native code, how systems end processes.
_DEATH = re.compile(r"^Fatal Python error|^Killed\b|\boom-kill\b|^slurmstepd: ")
#: A line that tells what went wrong: the end of a traceback, what was logged as an error, how systems end processes.
_ERROR = re.compile(
    r"^[\w.]*(Error|Exception|Interrupt|Exit)\b|^Fatal Python error| (ERROR|CRITICAL) "
    r"|\b(Killed|[Oo]ut of memory|oom-kill|No space left on device|Disk quota exceeded|Segmentation fault|Bus error)\b"
)


class Journal:
    """An append-only file of events, bounded: the oldest half goes when `limit` bytes are reached."""

    def __init__(self, path: Path, limit: int = 2**20) -> None:
        self.path = path
        self._limit = limit

    def add(self, what: str, **details: Any) -> None:
        """Note that `what` happened now."""
        event = {"time": utcnow().isoformat(timespec="milliseconds"), "what": what, **details}
        try:
            if lines.append(self.path, [event]) > self._limit:
                lines.halve(self.path)
        except OSError as error:  # a full home must not end what is going on
            logger.warning("%s can't be written (%s): %s", self.path, error.strerror, event)

    def read(self) -> list[dict[str, Any]]:
        """All events, oldest first; a line cut off by a crash is left out."""
        return lines.read(self.path)


def tail(path: Path, number: int) -> str:
    """The last `number` lines of a text file, empty when there is none; reads 256 bytes a line at most."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 256 * number))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-number:])


def last_error(path: Path, since: datetime | None = None) -> str:
    """Of the last lines of a log, the last one that tells what ended its process; empty when none does.

    What was logged with its traceback and gone on from, as the end of a run, is none; nor is what was chatted about.

    Parameters
    ----------
    since
        What was written before counts no more.
    """
    if since is not None:
        try:
            written = path.stat().st_mtime
        except FileNotFoundError:
            return ""
        if written < since.timestamp() - CLOCKS_S:
            return ""
    found, counts = "", True
    lines = tail(path, BEFORE).splitlines()
    for number, line in enumerate(lines, LAST - len(lines)):
        if logged := _LOGGED.match(line):
            counts = logged[1] == "CRITICAL"
        if number >= 0 and (_DEATH.search(line) or (counts and _ERROR.search(line))):
            found = line
    return found


def logs(folder: Path, first: str, number: int, only: str | None = None) -> str:
    """The last `number` lines of each log in `folder`, that of `first` first; of ``only.log`` alone where it is given.

    Raises
    ------
    InvalidInput
        `number` is not one from 1 on.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise InvalidInput(f"tail={number!r}: a number of lines, 1 or more", field="tail")
    if only is not None:
        return tail(folder / f"{only}.log", number)
    paths = sorted(folder.glob("*.log"), key=lambda path: (path.stem != first, path.name))
    return "\n".join(f"== {path.stem}\n{text}" for path in paths if (text := tail(path, number)))
