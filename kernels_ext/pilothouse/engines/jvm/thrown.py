"""Why a program that ran on a JVM ended: of all that it logged, the one exception that says so."""

from __future__ import annotations

import re
from pathlib import Path

from pilothouse.registry.logs import last_error

#: So many bytes at the end of a log are looked at, and so many letters of an exception are told.
LAST, LONGEST = 2**18, 400
#: A line that begins with an exception: its class, and its message.
_THROWN = re.compile(
    r"^(?:Exception in thread \".*?\" |Terminating due to )?"
    r"((?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable|Failure)(?::.*)?)$"
)
_CAUSE = "Caused by: "
#: The level of a line that was logged, which stands near its beginning, with what may stand between it and the words.
_LOGGED = re.compile(r"^.{0,60}?\b(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b\s+(?:[\w.$]+: )?(.*)")
#: A JVM that can't begin says so in two lines.
_NO_JVM = "Error occurred during initialization of VM"


def why(log: Path, since: int = 0) -> str:
    """The class and the message of the last exception that was thrown and not gone on from; empty without any words.

    An exception below a warning was gone on from: it counts where there is nothing else. Without any, what was last
    logged as an error; of a program that is none of a JVM's, what tells what ended it, or its last line.

    Parameters
    ----------
    since
        What stands before this offset, in bytes, is another process's.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, 2) - LAST))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    ended, gone_on, logged, level = "", "", "", ""
    for number, line in enumerate(lines):
        if line.startswith(_NO_JVM):
            return _short(" ".join(lines[number : number + 2]))
        if thrown := _THROWN.match(line):
            text = _short(thrown[1] + _cause(lines[number + 1 :], thrown[1]))
            if level in ("", "ERROR", "FATAL"):
                ended = text
            else:
                gone_on = text
        elif said := _LOGGED.match(line):
            level = said[1]
            logged = _short(said[2]) if level in ("ERROR", "FATAL") and said[2] else logged
    spoken = [line for line in lines if re.search(r"\w", line)]
    return ended or logged or gone_on or (_short(last_error(log) or spoken[-1]) if spoken else "")


def _cause(lines: list[str], thrown: str) -> str:
    """What the exception that these lines follow was caused by, where that says more."""
    cause = ""
    for line in lines:
        if line.startswith(_CAUSE):
            cause = line.removeprefix(_CAUSE)
        elif not line.startswith(("\t", "    at ", "  at ")):
            break
    message = cause.partition(": ")[2] or cause
    return f"; {_CAUSE.lower()}{cause}" if message and message not in thrown else ""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
