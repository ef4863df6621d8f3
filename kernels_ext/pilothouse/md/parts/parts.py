"""Parts of a run that are done: a file each in the run's folder, from which another supervisor goes on.

Nothing heavy is imported here: files are written and read by workers, and counted by the node process.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from pilothouse.md.parts.driving import PARTS
from pilothouse.state import write_atomic


def done(folder: Path) -> set[int]:
    """Numbers of the parts that are done, in a run's `folder` that is ready for more."""
    parts = folder / PARTS
    parts.mkdir(mode=0o700, exist_ok=True)
    return {int(path.stem) for path in parts.glob("[0-9]*.pkl")}


def keep(folder: str, number: int, result: Any) -> None:
    """Keep the result of a part, whole or not at all."""
    write_atomic(_path(folder, number), pickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL))


def load(folder: str, number: int) -> Any:
    """The result of a part that is done."""
    # Written by a worker of the user's own into a folder of mode 0700.
    return pickle.loads(_path(folder, number).read_bytes())  # noqa: S301


def _path(folder: str, number: int) -> Path:
    return Path(folder, PARTS, f"{number}.pkl")
