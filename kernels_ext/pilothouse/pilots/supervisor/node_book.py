"""What is written of a pilot's nodes: their states in its record, what happened in its journal, all that ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from pilothouse.registry import lines
from pilothouse.registry.folders import NODES
from pilothouse.registry.journal import Journal
from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.state import utcnow

#: So many ended nodes stay in the record; all of them are in a file of their own in the pilot's folder.
IN_VIEW = 5


class NodeBook:
    """The book of one pilot's nodes.

    Parameters
    ----------
    folder
        The pilot's own.
    changed
        Called when the record should be written.
    """

    def __init__(self, record: PilotRecord, journal: Journal, folder: Path, changed: Callable[..., None]) -> None:
        self._record, self._journal, self._folder, self._changed = record, journal, folder, changed

    def log(self, name: str) -> Path:
        """The file with what the node printed."""
        return self._folder / f"{name}.log"

    def mark(self, node: NodeRecord, state: State, reason: str) -> None:
        """The node has come into `state`."""
        node.state, node.reason, node.since = state, reason, utcnow()
        self._journal.add(f"node {state.value}", node=node.name, reason=reason)
        self.trim()

    def end(self, node: NodeRecord, state: State, reason: str) -> None:
        """The node has ended, and this is why: it goes into the pilot's history."""
        node.ended = utcnow()
        self.mark(node, state, reason)
        with contextlib.suppress(OSError):
            lines.append(self._folder / NODES, [node.model_dump(mode="json")])

    def trim(self) -> None:
        """Only the last few ended nodes stay in view, and the last whose job holds the supervisor."""
        first = next((node for node in reversed(self._record.nodes) if node.role == "first"), None)
        for node in [node for node in self._record.nodes if node.state.ended and node is not first][:-IN_VIEW]:
            self._record.nodes.remove(node)
        self._changed()
