"""Follow the load: how many nodes a pilot should have, without taking back what it has just fetched."""

from __future__ import annotations

from typing import Any

from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.state import utcnow

#: Seconds in which the work at hand should be done.
TARGET_S = 5.0
#: Seconds for which fewer nodes must suffice before any is given back.
CALM_S = 10.0
#: What an idle node must have been there for where nothing is known of how long it took to get.
LEAST_AGE_S = 5.0


class Load:
    """What the scheduler has to do, as a number of nodes."""

    def __init__(self) -> None:
        self._fewer_since = 0.0

    def wanted(self, record: PilotRecord, scheduler: Any, busy: int, now: float) -> int:
        """The number of nodes to keep from now on.

        Up at once, down after :data:`CALM_S` seconds, and never a node that is younger than the time it took to
        get it (dask-jobqueue issues 190 and 498: jobs cancelled before they had done anything).

        Parameters
        ----------
        busy
            Nodes that runs need beside Dask's tasks.
        now
            Seconds of a monotonic clock.
        """
        assert record.adapt is not None  # noqa: S101  # asked only of pilots that adapt
        target = max(int(scheduler.adaptive_target(target_duration=f"{TARGET_S}s")), busy)
        target = min(max(target, record.adapt.minimum), record.adapt.maximum)
        have = record.nodes_wanted
        if target >= have:
            self._fewer_since = 0.0
            return target
        if not self._fewer_since:
            self._fewer_since = now
        if now - self._fewer_since < CALM_S:
            return have
        spare = sum(_has_paid(node) for node in record.nodes)
        return max(target, have - spare)


def _has_paid(node: NodeRecord) -> bool:
    """Whether the node has been there for as long as it took to get it."""
    if node.state is State.RUNNING and node.connected and node.submitted:
        cost = (node.connected - node.submitted).total_seconds()
        return (utcnow() - node.connected).total_seconds() >= max(cost, LEAST_AGE_S)
    if node.state is State.PENDING and node.submitted:
        return (utcnow() - node.submitted).total_seconds() >= 6 * CALM_S
    return False
