"""What processes printed, in their logs: the last lines, and those that tell what ended one.

Node processes import this: nothing here takes long to be imported.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from pilothouse.errors import InvalidInput

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
