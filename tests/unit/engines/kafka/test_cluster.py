"""Whom a change of a cluster may give something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.engines.kafka import cluster, moving
from pilothouse.engines.kafka.administration import Partition
from pilothouse.engines.kafka.cluster import Cluster
from pilothouse.errors import Failed


class Asked:
    """Stands in for the controllers: three brokers and what is on them."""

    def __init__(self, *partitions: Partition) -> None:
        self._partitions = {("t", number): partition for number, partition in enumerate(partitions)}

    def partitions(self) -> dict[tuple[str, int], Partition]:
        return self._partitions

    def brokers(self) -> list[int]:
        return [1, 2, 3]

    def moving(self) -> dict[Any, Any]:
        return {}

    def configure(self, changes: Any) -> None:
        pass


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[dict[tuple[str, int], list[int]]]:
    """What was asked to be moved."""
    targets: list[Any] = []
    monkeypatch.setattr(moving, "carry_out", lambda _, target, *__: targets.append(target) or 0)
    monkeypatch.setattr(cluster, "_takes_connections", lambda _: True)
    return targets


def changing(states: dict[int, str], *partitions: Partition) -> Cluster:
    members = {
        number: {"number": number, "node": f"n{number}", "broker": f"h:{number}", "state": state}
        for number, state in states.items()
    }
    settings = {"throttle": None, "replication": None}
    place: Any = SimpleNamespace(
        members=members, settings=settings, secrets={"password": ""}, stopping=False, progress=None, waits_for=""
    )
    made = Cluster(place, lambda number: number, but=[2])
    made.asked = Asked(*partitions)  # type: ignore[assignment]
    return made


def test_one_that_leaves_gives_nothing_to_another_one_that_leaves(moved: list[Any]) -> None:
    states = {1: "running", 2: "leaving", 3: "leaving"}
    changing(states, Partition([2], [2], 2), Partition([3, 2], [3, 2], 3)).drain([2], 10.0)
    assert moved == [{("t", 0): [1], ("t", 1): [1]}]


def test_where_all_leave_one_after_the_other_the_next_one_has_it(moved: list[Any]) -> None:
    changing({2: "leaving", 3: "leaving"}, Partition([2], [2], 2)).drain([2], 10.0)
    assert moved == [{("t", 0): [3]}]


def test_what_has_no_leader_is_not_moved_and_named(moved: list[Any]) -> None:
    states = {1: "running", 2: "leaving"}
    parts = Partition([2], [2], 2), Partition([2], [2], -1)
    with pytest.raises(Failed, match=r"1 partitions \(of t\) have no leader .*: nobody"):
        changing(states, *parts).drain([2], 10.0)
    assert moved == [{("t", 0): [1]}]
