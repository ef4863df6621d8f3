"""What has become of each task: a line of JSON each in ``tasks.jsonl`` of the run's folder, appended as they end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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
        text = "".join(json.dumps(end) + "\n" for end in ends)
        if text:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)

    def read(self) -> dict[int, dict[str, Any]]:
        """Task -> its end. A line that a crash cut off is left out, and ended so that the next one is whole."""
        found: dict[int, dict[str, Any]] = {}
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return found
        for line in text.splitlines():
            try:
                end = json.loads(line)
                found[int(end["task"])] = end
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def mend(self) -> None:
        """End a line that a crash cut off: what is appended next must not be lost with it."""
        try:
            with self.path.open("rb+") as file:
                size = file.seek(0, 2)
                if size:
                    file.seek(size - 1)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
        except FileNotFoundError:
            return
