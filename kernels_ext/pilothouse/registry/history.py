"""What a pilot has had: all its nodes, and what they cost."""

from __future__ import annotations

import contextlib
from datetime import datetime

from pydantic import ValidationError

from pilothouse.registry import lines
from pilothouse.registry.folders import NODES
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord
from pilothouse.state import utcnow


def all_nodes(record: PilotRecord) -> list[NodeRecord]:
    """Every node that the pilot ever had, in the order of their submission; its record has only the latest."""
    found: dict[str, NodeRecord] = {}
    for line in lines.read(PILOTS.root / record.name / NODES):
        with contextlib.suppress(ValidationError):  # of another version
            node = NodeRecord.model_validate(line)
            found[node.name] = node
    found |= {node.name: node for node in record.nodes}
    return sorted(found.values(), key=lambda node: node.submitted or record.created)


def cost(record: PilotRecord) -> dict[str, float]:
    """Hours of nodes, cores and GPUs from the start of each job to its end, and hours that jobs waited."""
    now = record.ended or utcnow()
    total = dict.fromkeys(("node_hours", "core_hours", "gpu_hours", "queue_hours"), 0.0)
    for node in all_nodes(record):
        used = _hours(node.started, node.ended or now)
        total["node_hours"] += used
        total["core_hours"] += used * node.cores
        total["gpu_hours"] += used * node.gpus
        total["queue_hours"] += _hours(node.submitted, node.started or node.ended or now)
    return total


def _hours(begin: datetime | None, end: datetime) -> float:
    return 0.0 if begin is None else max((end - begin).total_seconds(), 0.0) / 3600
