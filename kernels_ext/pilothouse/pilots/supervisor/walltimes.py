"""What a node's walltime means for when it is renewed, when it is drained, and how long that may take."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pilothouse.pilots.supervisor.node_words import longest_wait
from pilothouse.registry.records import NodeRecord
from pilothouse.state import utcnow

#: The least seconds before its walltime at which a node is drained, whether its replacement is there or not.
LAST_CALL_S = 10.0
#: Of a walltime, the share that draining may take; but for that, it is the site's `drain`.
DRAIN_SHARE = 0.05
#: Seconds between the end of draining and that of the walltime.
SPARE_S = 3.0


def left(node: NodeRecord) -> float:
    """Seconds until the node's walltime is over; infinite when it has none."""
    return math.inf if node.ends is None else (node.ends - utcnow()).total_seconds()


def _whole(node: NodeRecord) -> float:
    begun = node.started or node.connected or node.submitted or utcnow()
    return math.inf if node.ends is None else (node.ends - begun).total_seconds()


def last_call(node: NodeRecord, drain: float) -> float:
    """How long before its walltime a node is drained, seconds."""
    return max(min(drain, DRAIN_SHARE * _whole(node)), LAST_CALL_S)


def ahead(node: NodeRecord, nodes: Sequence[NodeRecord]) -> float:
    """How long before its walltime a node's replacement is asked for, seconds: a wait like the last, and time."""
    whole = _whole(node)
    return min(max(0.1 * whole, longest_wait(nodes) + 60.0), 0.5 * whole)


def to_hand_over(node: NodeRecord, drain: float) -> float:
    """Seconds for a node to hand over what it has."""
    return min(drain, left(node) - SPARE_S)


def to_finish(node: NodeRecord, drain: float) -> float:
    """Seconds for a node whose replacement came before its walltime was over: what fits into that is finished."""
    most = left(node) - last_call(node, drain)
    return max(to_hand_over(node, drain), most if most < math.inf else 0.0)
