"""What ranks leave in their run's folder: what the function returned, or the error that it raised.

The supervisor reads the errors' words: nothing here takes long to be imported.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

#: The function and its arguments, in the run's folder.
CALL = "call.packed"
#: Where the user's own modules are found that these are of (JSON).
PATH = "path.json"


def result(folder: Path, rank: int) -> Path:
    """What the function returned on a rank."""
    return folder / "ranks" / f"{rank}.result"


def error(folder: Path, rank: int) -> Path:
    """What it raised there; its words, for who unpickles nothing, are beside it."""
    return folder / "ranks" / f"{rank}.error"


def words(folder: Path, rank: int) -> Path:
    """What there is to say of it: ``rank``, ``time``, ``text``, ``traceback``."""
    return error(folder, rank).with_suffix(".json")


def first(folder: Path) -> dict[str, Any] | None:
    """The words of the error that came first; the other ranks were ended for it, or had errors of their own."""
    found = []
    for path in (folder / "ranks").glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            found.append(json.loads(path.read_bytes()))
    return min(found, key=lambda each: each["time"], default=None)
