"""What a pilot's nodes were submitted with and have printed, and why those that have printed nothing have not."""

from __future__ import annotations

from pilothouse.errors import NotFound
from pilothouse.registry.folders import SUPERVISOR_LOG
from pilothouse.registry.history import all_nodes
from pilothouse.registry.logs import logs
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, State
from pilothouse.state import check_name

#: The supervisor's own word where a node's name is asked for.
SUPERVISOR = SUPERVISOR_LOG.removesuffix(".log")


def logs_of(record: PilotRecord, node: str | None, tail: int) -> str:
    """The last lines of the supervisor's log and of each node's, or of `node`'s alone.

    Raises
    ------
    NotFound
        The pilot never had such a node.
    """
    folder = PILOTS.folder(record.name)
    if node is None:
        waiting = [f"== {each.name}\n{_silent(each)}" for each in record.nodes if each.state is State.PENDING]
        return "\n".join(filter(None, [logs(folder, SUPERVISOR, tail), *waiting]))
    name = _meant(record, node)
    if (folder / f"{name}.log").exists():
        return logs(folder, SUPERVISOR, tail, only=name)
    for each in all_nodes(record):
        if each.name == name:
            return _silent(each)
    raise NotFound(f"node={node!r}: the pilot {record.name!r} has no such node", field="node")


def job_script_of(record: PilotRecord, node: str | None) -> str:
    """The job script of `node`, or the one for the next node.

    Raises
    ------
    NotFound
        The pilot never had such a node.
    """
    from pilothouse.pilots.queues.jobs import script_of

    return script_of(record, None if node is None else _meant(record, node))


def _meant(record: PilotRecord, node: str) -> str:
    """The node, or for ``"supervisor"`` the one whose job holds it, where it has no log of its own."""
    check_name(node, field="node")
    if node == SUPERVISOR and not (PILOTS.folder(record.name) / SUPERVISOR_LOG).exists():
        holding = sorted((each for each in record.nodes if each.role != "node"), key=lambda each: each.role == "first")
        return holding[-1].name if holding else node
    return node


def _silent(node: NodeRecord) -> str:
    """Why there is no log."""
    if node.state is State.PENDING:
        where = "in the queue" if node.job else "to be submitted"
        return f"{node.name} has no log yet: it waits {where}{f': {node.reason}' if node.reason else ''}"
    if not node.state.ended:
        return f"{node.name} has no log yet: it is {node.state}"
    return f"{node.name} has left no log: it {node.state}{f': {node.reason}' if node.reason else ''}"
