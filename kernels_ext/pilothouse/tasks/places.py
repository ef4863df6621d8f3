"""Where a task's files lie: its working folder, and what it prints."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The specification, in the run's folder.
SPECIFICATION = "tasks.json"
#: A character that means itself in a pattern.
_ESCAPED = re.compile(r"\[([*?[\]])\]")


@dataclass(frozen=True)
class Places:
    """The files of a run's tasks, in the run's folder unless the user chose a working folder.

    Attributes
    ----------
    folder
        The run's own.
    work
        The working folder, or the folder that has one for each of many tasks.
    many
        Whether the run is one of many tasks (``map_execute``).
    """

    folder: Path
    work: Path
    many: bool

    def working(self, task: int) -> Path:
        """The working folder of a task."""
        return self.work / f"{task:05}" if self.many else self.work

    def printed(self, task: int, stream: str) -> Path:
        """The file with what a task prints; `stream` is ``stdout`` or ``stderr``."""
        return self.folder / (f"printed/{task:05}.{stream}" if self.many else f"{stream}.log")

    def tidy(self, task: int) -> None:
        """Remove what one of many tasks left empty when it ended."""
        if not self.many:
            return
        for path in (self.printed(task, "stdout"), self.printed(task, "stderr")):
            with contextlib.suppress(FileNotFoundError):
                if not path.stat().st_size:
                    path.unlink()
        with contextlib.suppress(OSError):  # it is not empty, which is what it is for
            self.working(task).rmdir()


def is_pattern(name: str) -> bool:
    """Whether an output is given by a pattern, such as ``*.dcd``; ``[*].dcd`` is none, as for :func:`glob.escape`."""
    return glob.has_magic(_ESCAPED.sub("", name))


def plain(name: str) -> str:
    """The file's name that an output means which is no pattern: ``[x].log`` for ``[[]x].log``."""
    return _ESCAPED.sub(r"\1", name)


def names(output: str, name: str) -> bool:
    """Whether `name` is that of one file which this output means."""
    if not is_pattern(output):
        return name == plain(output)
    one = "*" not in name and "?" not in name
    return one and (name == output or fnmatch.fnmatchcase(name, output))


def missing(folder: Path, outputs: Sequence[str]) -> list[str]:
    """Those of `outputs` that are not there."""
    return [name for name in outputs if not found(folder, name)]


def found(folder: Path, name: str) -> dict[str, Path]:
    """The files in `folder` that the output `name` means, by their names within it: the one of that very name first."""
    if (folder / name).exists():
        return {name: folder / name}
    if not is_pattern(name):
        return {plain(name): folder / plain(name)} if (folder / plain(name)).exists() else {}
    return {match: folder / match for match in sorted(glob.glob(name, root_dir=folder, recursive=True))}


def read_specification(folder: Path) -> dict[str, Any]:
    """What the run in `folder` is."""
    found: dict[str, Any] = json.loads((folder / SPECIFICATION).read_bytes())
    found["work"] = found["work"] or str(folder / "work")
    return found
