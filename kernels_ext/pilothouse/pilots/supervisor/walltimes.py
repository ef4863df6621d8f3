"""What a node's walltime means for when it is renewed, when it is drained, and how long that may take."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.supervisor.node_words import longest_wait
from pilothouse.pilots.supervisor.same_job import by_job
from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.runs.cores import Capacity
from pilothouse.runs.keeping import END_S
from pilothouse.runs.terms import SAME, Term, Terms
from pilothouse.state import utcnow

#: The least seconds before its walltime at which a node is drained, whether its replacement is there or not.
LAST_CALL_S = 10.0
#: Of a walltime, the share that draining may take; but for that, it is the site's `drain`.
DRAIN_SHARE = 0.05
#: Seconds between the end of draining and that of the walltime.
SPARE_S = 3.0
#: The most seconds after which it is seen that a job has started.
SEEN_S = 60.0


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


def replaced(active: Sequence[NodeRecord], wanted: int, size: int) -> list[NodeRecord]:
    """The nodes that leave and whose replacement runs: of jobs that have lost most, then of those that end first.

    Parameters
    ----------
    active
        The nodes of a kind that wait, start or run.
    size
        How many nodes a job has; those that have been lost are in no list.
    """
    there = [job for job in by_job(active) if all(node.state is State.RUNNING for node in job)]
    leaving = sorted((job for job in there if job[0].leaving), key=lambda job: (len(job), left(job[0])))
    return [node for job in leaving[: max(len(there) - -(-wanted // size), 0)] for node in job]


def term(node: NodeRecord, asked: float, drain: float) -> Term | None:
    """How long work may go on there, for those who give it out; None where its end is not known.

    Parameters
    ----------
    asked
        The walltime that nodes of its kind have by now, seconds; 0 where it is not known.
    """
    if node.ends is None:
        return None
    kept = last_call(node, drain) + END_S
    came = node.connected or utcnow()
    walltime = _whole(node)
    if walltime > SAME * asked - SEEN_S:
        walltime = max(walltime, asked)
    return Term(
        until=time.monotonic() + left(node) - kept,
        whole=(node.ends - came).total_seconds() - kept,
        walltime=walltime,
        renewed=node.leaving,
    )


def tell(terms: Terms, record: PilotRecord, description: PilotDescription, drain: float) -> None:
    """Have those who give out work know how long the pilot's nodes last."""
    kinds = {kind: description.kind(kind) for kind in record.wanted}
    there = {
        node.name: term(node, kinds[node.kind].walltime or 0.0 if node.kind in kinds else 0.0, drain)
        for node in record.nodes if node.state in (State.RUNNING, State.DRAINING)
    }  # fmt: skip
    come = [kinds[kind] for kind, wanted in record.wanted.items() if wanted]
    terms.tell(
        {name: each for name, each in there.items() if each is not None},
        [(Capacity(kind.cores or 1, kind.gpus or 0), kind.walltime or 0.0) for kind in come],
        replaced=description.replace != "never",
    )
