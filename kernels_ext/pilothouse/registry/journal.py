"""Histories: what happened when and why, a line of JSON each."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pilothouse.registry import lines
from pilothouse.state import utcnow

logger = logging.getLogger(__name__)


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
