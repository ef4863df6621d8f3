"""Histories: what happened when and why, a line of JSON each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pilothouse.state import utcnow


class Journal:
    """An append-only file of events, bounded: the oldest half goes when `limit` bytes are reached."""

    def __init__(self, path: Path, limit: int = 2**20) -> None:
        self.path = path
        self._limit = limit

    def add(self, what: str, **details: Any) -> None:
        """Note that `what` happened now."""
        line = json.dumps({"time": utcnow().isoformat(timespec="milliseconds"), "what": what, **details}) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
            size = file.tell()
        if size > self._limit:
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            self.path.write_text("".join(lines[len(lines) // 2 :]), encoding="utf-8")

    def read(self) -> list[dict[str, Any]]:
        """All events, oldest first; a line cut off by a crash is left out."""
        events = []
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        for line in lines:
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return events


def tail(path: Path, lines: int) -> str:
    """The last `lines` lines of a text file, empty when there is none; reads 256 bytes a line at most."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 256 * lines))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
