"""What is said of nodes: why they wait, for how long they have, why they failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pilothouse.registry.logs import tail
from pilothouse.registry.records import NodeRecord, PilotRecord, State


def waiting(nodes: Sequence[NodeRecord]) -> str:
    """Why nodes wait in the queue and until when, for people; empty when none does."""
    pending = [node for node in nodes if node.state is State.PENDING and node.role != "successor"]
    if not pending:
        return ""
    reasons = sorted({node.reason for node in pending if node.reason})
    starts = [node.expected_start for node in pending if node.expected_start]
    when = f"; expected start {min(starts):%Y-%m-%d %H:%M} UTC" if starts else ""
    count = "1 node waits" if len(pending) == 1 else f"{len(pending)} nodes wait"
    return f"{count} in the queue{': ' + '; '.join(reasons) if reasons else ''}{when}"


def without_nodes(record: PilotRecord, summary: str) -> str:
    """What a run waits for whose pilot has no node; `summary` is why it has fewer than it should."""
    if record.nodes_wanted:
        return f"waits for a node: {summary or 'none is up yet'}"
    return "waits for a node, which is asked for" if record.adapt else "waits for a node: the pilot has none; extend it"


def longest_wait(nodes: Sequence[NodeRecord]) -> float:
    """The longest time that one of the nodes took from its submission to its worker, seconds."""
    waits = [(node.connected - node.submitted).total_seconds() for node in nodes if node.connected and node.submitted]
    return max(waits, default=0.0)


def why_failed(reason: str, log: Path) -> str:
    """What the batch system says, and the last lines of the job's own log that are no chatter."""
    lines = [line for line in tail(log, 12).splitlines() if " INFO " not in line][-3:]
    return "\n".join(part for part in (reason, *lines) if part)
