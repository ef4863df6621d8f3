"""Where partitions are to be: balanced, apart from each other, with as few moves as that needs."""

from __future__ import annotations

from collections import Counter

import pytest

from pilothouse.engines.kafka.assignment import Assignment, plan
from pilothouse.errors import InvalidInput


def cluster(topics: dict[str, int], brokers: list[int], factor: int = 1) -> Assignment:
    """Topics as Kafka itself spreads them."""
    return {
        (topic, number): [brokers[(number + replica) % len(brokers)] for replica in range(factor)]
        for topic, partitions in topics.items()
        for number in range(partitions)
    }


def after(current: Assignment, changes: Assignment) -> Assignment:
    return current | changes


def loads(assignment: Assignment) -> Counter[int]:
    return Counter(broker for replicas in assignment.values() for broker in replicas)


def leads(assignment: Assignment) -> Counter[int]:
    return Counter(replicas[0] for replicas in assignment.values())


def moved(current: Assignment, changes: Assignment) -> int:
    """Replicas that have to be copied."""
    return sum(len(set(replicas) - set(current[partition])) for partition, replicas in changes.items())


def test_what_is_balanced_stays() -> None:
    assert plan(cluster({"a": 6, "b": 3}, [1, 2, 3], 2), [1, 2, 3]) == {}


def test_a_new_broker_gets_its_share_with_as_few_moves_as_that_takes() -> None:
    current = cluster({"a": 4, "b": 8}, [1, 2])
    changes = plan(current, [1, 2, 3])
    assert sorted(loads(after(current, changes)).values()) == [4, 4, 4]
    assert moved(current, changes) == 4
    for topic, share in (("a", [1, 1, 2]), ("b", [2, 3, 3])):
        of_it = {p: replicas for p, replicas in after(current, changes).items() if p[0] == topic}
        assert sorted(loads(of_it).values()) == share


def test_from_one_broker_to_two_half_of_four_partitions_move() -> None:
    current = cluster({"t": 4}, [1])
    changes = plan(current, [1, 2])
    assert moved(current, changes) == len(changes) == 2


def test_replicas_of_a_partition_are_on_different_brokers() -> None:
    current = cluster({"a": 7, "b": 5}, [1, 2, 3], 3)
    for replicas in after(current, plan(current, [1, 2, 3, 4, 5])).values():
        assert len(set(replicas)) == len(replicas) == 3


def test_leaders_are_spread_as_far_as_replicas_allow() -> None:
    current = {("t", number): [1, 2, 3] for number in range(9)}
    changes = plan(current, [1, 2, 3])
    assert moved(current, changes) == 0
    assert sorted(leads(after(current, changes)).values()) == [3, 3, 3]


def test_a_drained_broker_has_nothing_and_what_others_have_stays_there() -> None:
    current = cluster({"a": 6, "b": 4}, [1, 2, 3], 2)
    changes = plan(current, [1, 3], balance=False)
    result = after(current, changes)
    assert 2 not in loads(result)
    assert all(len(replicas) == 2 for replicas in result.values())
    assert all({1, 3} & set(current[p]) <= set(result[p]) for p in result)
    assert all(2 in current[p] for p in changes)


def test_there_are_as_many_replicas_as_brokers_at_most() -> None:
    current = cluster({"a": 3}, [1, 2, 3], 3)
    assert all(sorted(replicas) == [1, 2] for replicas in plan(current, [1, 2]).values())
    assert len(plan(current, [1, 2])) == 3


def test_topics_get_the_replicas_they_are_to_have_and_others_keep_theirs() -> None:
    current = cluster({"__consumer_offsets": 4, "mine": 4}, [1])
    result = after(current, plan(current, [1, 2, 3], lambda topic, now: 3 if topic[0] == "_" else now))
    assert {len(result[p]) for p in result if p[0] == "mine"} == {1}
    assert {len(result[p]) for p in result if p[0] != "mine"} == {3}


def test_many_small_topics_are_spread_too() -> None:
    current = {(f"t{number}", 0): [1] for number in range(9)}
    assert sorted(loads(after(current, plan(current, [1, 2, 3]))).values()) == [3, 3, 3]


def test_a_partition_of_lost_brokers_only_comes_somewhere() -> None:
    assert plan({("t", 0): [9]}, [1, 2], balance=False) == {("t", 0): [1]}


def test_without_brokers_there_is_no_plan() -> None:
    with pytest.raises(InvalidInput, match="none is left"):
        plan({("t", 0): [1]}, [])
