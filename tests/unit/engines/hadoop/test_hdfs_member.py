"""What an HDFS's member does when others go, with a NameNode that says what a test has it say."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.engines.hadoop import hdfs_member, namenode
from pilothouse.engines.hadoop.hdfs_member import HDFSMember
from pilothouse.engines.hadoop.hdfs_roles import NAMENODE
from pilothouse.engines.hadoop.namenode import DataNode
from pilothouse.errors import Failed


class Place:
    """The first node's, whose NameNode says at each look what is next, and then the last for ever."""

    def __init__(self, looks: list[set[int] | OSError], lacking: list[int], missing: int = 0) -> None:
        self.role, self.host, self.number, self.stopping = NAMENODE, "host", 1, False
        self.settings = {"replication": 2, "keep": None}
        self.members: dict[int, dict[str, Any]] = {1: {"number": 1, "data": "host:1"}}
        self.events: list[dict[str, Any]] = []
        self.looks, self.lacking, self.missing = looks, lacking, missing
        self.seen, self.shown = 0, 0
        self.expired: list[int] = []
        self.pending: list[int] = []

    def event(self, what: str, **facts: Any) -> None:
        self.events.append({"what": what, **facts})

    def datanodes(self, web: str) -> dict[str, DataNode]:
        assert web == "host:9"
        look = self.looks[min(self.seen, len(self.looks) - 1)]
        self.seen += 1
        if self.seen == 2:  # the next one tells of itself only now
            self.members[3] = {"number": 3}
        if self.seen == 4:
            self.members = {**self.members, 3: {"number": 3, "data": "host:3"}}
        if isinstance(look, OSError):
            raise look
        self.shown = len(look)
        return {f"host:{each}": DataNode(f"host:{each}", "", "In Service", 1) for each in look}

    def in_service(self, web: str) -> int:
        assert web == "host:9"
        return self.shown + (self.expired.pop(0) if self.expired else 0)

    def system(self, web: str) -> dict[str, int]:
        assert web == "host:9"
        lacking = self.lacking.pop(0) if len(self.lacking) > 1 else self.lacking[0]
        pending = self.pending.pop(0) if self.pending else 0
        return {"UnderReplicatedBlocks": lacking, "PendingReplicationBlocks": pending, "MissingBlocks": self.missing}


def member(place: Place, monkeypatch: pytest.MonkeyPatch) -> HDFSMember:
    made = object.__new__(HDFSMember)  # without Java
    made.place, made.settings, made.ports = place, place.settings, {"web": 9, "data": 1}  # type: ignore[assignment]
    monkeypatch.setattr(namenode, "datanodes", place.datanodes)
    monkeypatch.setattr(namenode, "system", place.system)
    monkeypatch.setattr(namenode, "in_service", place.in_service)
    monkeypatch.setattr(hdfs_member, "LOOK_S", 0.001)
    monkeypatch.setattr(hdfs_member, "SURE_S", 0.1)
    return made


@pytest.mark.parametrize("then", [[{1, 2, 3}, {1, 2, 3}, {1, 3}], [{1}, {1}, {1}, {1, 3}]])
def test_one_that_comes_in_a_lost_ones_place_is_waited_for_and_gets_its_copies(
    monkeypatch: pytest.MonkeyPatch, then: list[set[int] | OSError]
) -> None:
    place = Place([{1, 2}, {1, 2}, OSError("is being started again"), *then], [2, 1, 0])
    monkeypatch.setattr(hdfs_member, "MADE_GOOD_S", 10.0)
    member(place, monkeypatch).lost([2])
    assert place.events == [{"what": "copies", "lost": [2], "under_replicated": 0, "missing": 0}]


def test_copies_are_made_when_one_that_expired_is_reckoned_with_no_more_and_none_is_on_its_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place([{1, 3}], [0])
    place.members[3] = {"number": 3, "data": "host:3"}
    place.expired, place.pending = [1, 1, 1], [0, 0, 5, 5, 5]
    member(place, monkeypatch).lost([2])
    assert (place.expired, place.pending) == ([], [])
    assert [event["what"] for event in place.events] == ["copies"]


def test_what_had_its_only_copy_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failed, match="5 blocks had their only copy"):
        member(Place([{1}], [0], missing=5), monkeypatch).lost([2])
