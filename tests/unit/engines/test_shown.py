"""What is shown of a service: no secrets, and figures that people can read."""

from __future__ import annotations

import math
from pathlib import Path

from pilothouse.engines.book import Book, MemberFacts
from pilothouse.engines.service import Service
from pilothouse.engines.shown import shown
from pilothouse.registry.records import RUNS, RunRecord, State
from pilothouse.state import utcnow


class Board(Service):
    """One that a supervisor would answer for."""

    @property
    def record(self) -> RunRecord:
        return RUNS.read(self.name)

    def metrics(self) -> dict[str, dict[str, float]]:
        used = {"cores": 4.0, "cores_used": 1.0, "disk_used": 1.5 * 2**30, "objects_bytes": 2048.0}
        return {"p-1": {**used, "load": math.nan}}


def board(state: State = State.RUNNING) -> Board:
    parameters = {"engine": "board", "nodes": 2, "settings": {}}
    RUNS.write(RunRecord(name="words", kind="service", pilot="p", state=state, created=utcnow(), parameters=parameters))
    members = [
        MemberFacts(1, "first", "p-1", "127.0.0.1", "running", published={"address": "127.0.0.1:1", "word": "hush"}),
        MemberFacts(2, "more", "p-2", "127.0.0.1", "starting", reason="it died once"),
    ]
    Book(wanted=2, address="127.0.0.1:1", members=members).save(RUNS.folder("words"))
    return Board("words")


def test_members_are_shown_with_their_figures(state_home: Path) -> None:
    found = shown(board())
    assert (found.engine, found.pilot, found.wanted, found.address) == ("board", "p", 2, "127.0.0.1:1")
    assert found.table == [
        ("node", "role", "state", "figures"),
        ("p-1", "first", "running", "cores 1 of 4 used, disk used 1.5 GiB, objects 2 KiB"),
        ("p-2", "more", "starting: it died once", ""),
    ]
    assert found.text.splitlines()[0] == "address: 127.0.0.1:1"
    assert "p-2" in found.text
    assert found.members[0].metrics["disk_used"] == 1.5 * 2**30
    assert "nan" not in found.model_dump_json().lower()


def test_what_a_member_published_beside_its_address_is_not_shown(state_home: Path) -> None:
    assert "hush" not in shown(board()).model_dump_json()


def test_one_that_has_ended_has_no_address_and_no_members(state_home: Path) -> None:
    found = shown(board(State.FINISHED))
    assert (found.address, found.members, found.text) == ("", [], "")
