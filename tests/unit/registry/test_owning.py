"""Three things, each in one place: what a pilot's state is, whose its record is, and writing it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.errors import Conflict, NotFound
from pilothouse.pilots.supervisor.deriving import derived
from pilothouse.registry.naming import remove
from pilothouse.registry.owning import Superseded, change, check_owner, write
from pilothouse.registry.records import PILOTS, NodeRecord, PilotRecord, State
from pilothouse.state import utcnow

RUNNING, STARTING, PENDING, DRAINING = State.RUNNING, State.STARTING, State.PENDING, State.DRAINING


@pytest.mark.parametrize(
    ("before", "nodes", "wanted", "scheduling", "after"),
    [
        (STARTING, [], 2, False, STARTING),
        (STARTING, [PENDING], 1, False, STARTING),  # nothing could connect yet
        (STARTING, [PENDING], 1, True, PENDING),
        (PENDING, [PENDING, STARTING], 2, True, STARTING),
        (PENDING, [PENDING, RUNNING], 2, True, RUNNING),
        (RUNNING, [PENDING], 1, True, STARTING),  # its last node has died
        (RUNNING, [State.FAILED], 1, True, STARTING),
        (RUNNING, [], 0, True, PENDING),  # scaled to nothing
        (RUNNING, [DRAINING], 0, True, RUNNING),
    ],
)
def test_a_pilots_state_follows_from_its_nodes(
    before: State, nodes: list[State], wanted: int, scheduling: bool, after: State
) -> None:
    record = PilotRecord(
        name="anna", site="local", state=before, created=utcnow(), nodes_wanted=wanted,
        nodes=[NodeRecord(name=f"anna-{i}", state=state) for i, state in enumerate(nodes)],
    )  # fmt: skip
    assert derived(record, "why", scheduling=scheduling)[0] is after
    assert record.state is before


@pytest.fixture
def mine(state_home: Path) -> PilotRecord:
    record = PilotRecord(name="anna", site="local", state=State.FINISHED, created=utcnow())
    PILOTS.write(record)
    return record


def recovered(record: PilotRecord) -> None:
    PILOTS.write(record.model_copy(update={"generation": 2}))


def removed(record: PilotRecord) -> None:
    remove(PILOTS, record)


def removed_and_made_again(record: PilotRecord) -> None:
    remove(PILOTS, record)
    PILOTS.write(record.model_copy(update={"created": utcnow()}))


@pytest.mark.parametrize("what", [recovered, removed, removed_and_made_again])
def test_who_has_lost_a_record_writes_it_no_more(mine: PilotRecord, what: Callable[[PilotRecord], None]) -> None:
    write(mine)
    what(mine)
    there = PILOTS.find("anna")
    for use in (lambda: check_owner(mine), lambda: write(mine)):
        with pytest.raises(Superseded, match="the pilot 'anna'"):
            use()
    assert PILOTS.find("anna") == there


def test_a_change_is_of_what_is_written_now(mine: PilotRecord) -> None:
    PILOTS.write(mine.model_copy(update={"reason": "newer"}))

    def end(record: PilotRecord) -> None:
        record.reason += ", and changed"

    assert change(PILOTS, mine, end).reason == "newer, and changed"
    assert PILOTS.read("anna").reason == "newer, and changed"
    removed_and_made_again(mine)
    with pytest.raises(NotFound, match="was removed"):
        change(PILOTS, mine, end)
    assert PILOTS.read("anna").reason == ""


def test_a_change_may_find_that_there_is_none_to_make(mine: PilotRecord) -> None:
    before = PILOTS.path("anna").stat().st_ino

    def refuse(record: PilotRecord) -> None:
        raise Conflict(f"{record.name} goes on")

    with pytest.raises(Conflict, match="goes on"):
        change(PILOTS, mine, refuse)
    assert PILOTS.path("anna").stat().st_ino == before
