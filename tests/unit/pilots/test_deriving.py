"""What a pilot's nodes make of its state."""

from __future__ import annotations

import pytest

from pilothouse.pilots.supervisor.deriving import derived
from pilothouse.pilots.supervisor.node_words import without_nodes
from pilothouse.registry.records import Adapt, NodeRecord, PilotRecord, State
from pilothouse.state import utcnow


def pilot(wanted: int, *nodes: State, state: State = State.RUNNING, adapt: bool = False) -> PilotRecord:
    return PilotRecord(
        name="p", site="local", state=state, created=utcnow(), nodes_wanted=wanted,
        nodes=[NodeRecord(name=f"p-{number}", state=each) for number, each in enumerate(nodes)],
        adapt=Adapt(minimum=0, maximum=2) if adapt else None,
    )  # fmt: skip


@pytest.mark.parametrize("state", [State.RUNNING, State.STARTING, State.PENDING])
def test_a_pilot_that_has_no_nodes_does_not_run_and_says_so(state: State) -> None:
    record = pilot(0, State.FINISHED, state=state)
    assert derived(record, "", scheduling=True) == (State.PENDING, "it has no nodes: extend it")
    assert without_nodes(record, "") == "waits for a node: the pilot has none; extend it"
    record = pilot(0, State.FINISHED, adapt=True)
    assert derived(record, "", scheduling=True) == (State.PENDING, "it has no nodes: work brings them")


def test_its_last_node_may_still_be_at_work() -> None:
    assert derived(pilot(0, State.DRAINING), "", scheduling=True)[0] is State.RUNNING


def test_one_whose_nodes_wait_or_come_back_says_why() -> None:
    assert derived(pilot(1, State.PENDING, state=State.PENDING), "Priority", scheduling=True) == (
        State.PENDING, "Priority",
    )  # fmt: skip
    assert derived(pilot(1, State.FAILED), "", scheduling=True)[0] is State.STARTING
    assert without_nodes(pilot(1, State.PENDING), "1 node waits in the queue") == (
        "waits for a node: 1 node waits in the queue"
    )
