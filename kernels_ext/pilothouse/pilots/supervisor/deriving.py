"""A pilot's state, as its nodes make it."""

from __future__ import annotations

from pilothouse.registry.records import PilotRecord, State


def derived(record: PilotRecord, summary: str, *, scheduling: bool) -> tuple[State, str]:
    """State and reason of a pilot that goes on.

    Parameters
    ----------
    summary
        Why it has fewer nodes than it should.
    scheduling
        Whether its Dask scheduler is there, so that it can have nodes.
    """
    nodes = {node.state for node in record.nodes}
    if State.RUNNING in nodes:
        return State.RUNNING, summary
    if record.state is State.RUNNING and record.nodes_wanted:
        return State.STARTING, "no node is running; they are being replaced"
    if State.PENDING in nodes and not nodes & {State.STARTING, State.DRAINING} and scheduling:
        return State.PENDING, summary
    if not record.nodes_wanted and scheduling:  # as it was told to
        if State.DRAINING in nodes:
            return record.state, summary
        return State.PENDING, "it has no nodes: work brings them" if record.adapt else "it has no nodes: extend it"
    return State.STARTING, summary
