"""What has become of each task: a line of JSON each in ``tasks.jsonl`` of the run's folder, appended as they end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pilothouse.registry import lines

FILE = "tasks.jsonl"


class Ends:
    """The ends of a run's tasks. A task that has a line here is not run again, whoever drives the run.

    A line has ``task`` (its number), ``code`` (exit code; negative: the signal; None: it never started),
    ``error`` (empty when it ended well), ``node``, ``seconds``, ``attempts``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def add(self, ends: Iterable[dict[str, Any]]) -> None:
        """Append; the system's buffers are trusted to reach the disk."""
        lines.append(self.path, ends)

    def read(self) -> dict[int, dict[str, Any]]:
        """Task -> its end."""
        return {end["task"]: end for end in lines.read(self.path) if isinstance(end.get("task"), int)}
