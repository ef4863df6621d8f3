"""Which broker is to have which partition: as few moves as balance needs. Nothing here asks a cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from pilothouse.errors import InvalidInput

#: A topic's name and a partition's number -> the brokers that have it, the preferred leader first.
Assignment = dict[tuple[str, int], list[int]]


def plan(
    current: Mapping[tuple[str, int], Sequence[int]],
    brokers: Sequence[int],
    factor: Callable[[str, int], int] = lambda _, now: now,
    *,
    balance: bool = True,
) -> Assignment:
    """Where partitions are to be: those that change, with all their replicas.

    Replicas of a partition are on different brokers. What is on other brokers than these goes; what is added goes to
    those that have least of the topic, then least of all. With `balance`, brokers have as many replicas of each topic
    as the others, and as many of all, give or take one, and as many of them to lead.

    Parameters
    ----------
    current
        Where they are.
    brokers
        Those that are to have any.
    factor
        From a topic's name and the number of replicas of one of its partitions, how many that is to have; it gets as
        many as there are brokers at most.

    Raises
    ------
    InvalidInput
        There are no brokers.
    """
    if not brokers:
        raise InvalidInput("brokers: none is left that could have partitions", field="brokers")
    there = sorted(set(brokers))
    target = {partition: [broker for broker in have if broker in there] for partition, have in sorted(current.items())}
    load = _Load(there, target)
    for partition, have in target.items():
        wanted = min(factor(partition[0], len(current[partition])), len(there))
        while len(have) > wanted:
            load.drop(partition, max(have, key=lambda broker: load.key(broker, partition[0])))
        while len(have) < wanted:
            free = [broker for broker in there if broker not in have]
            chosen = min(free, key=lambda broker: load.key(broker, partition[0]))
            led_by_one_that_goes = bool(current[partition]) and current[partition][0] not in there and len(have) == 0
            load.add(partition, chosen, first=led_by_one_that_goes)
    if balance:
        _spread(target, load)
    _lead(target, there, only=None if balance else {p for p, have in target.items() if have != list(current[p])})
    return {partition: have for partition, have in target.items() if have != list(current[partition])}


class _Load:
    """How many replicas each broker has, of each topic and of all."""

    def __init__(self, brokers: Sequence[int], target: Assignment) -> None:
        self.brokers, self._target = brokers, target
        self.all: Counter[int] = Counter(dict.fromkeys(brokers, 0))
        self.of: Counter[tuple[int, str]] = Counter()
        for (topic, _), have in target.items():
            for broker in have:
                self._count(broker, topic, 1)

    def _count(self, broker: int, topic: str, by: int) -> None:
        self.all[broker] += by
        self.of[broker, topic] += by

    def key(self, broker: int, topic: str) -> tuple[int, int, int]:
        """By which brokers are compared where a replica of `topic` is to come or go."""
        return self.of[broker, topic], self.all[broker], broker

    def add(self, partition: tuple[str, int], broker: int, *, first: bool = False) -> None:
        self._target[partition].insert(0 if first else len(self._target[partition]), broker)
        self._count(broker, partition[0], 1)

    def drop(self, partition: tuple[str, int], broker: int) -> None:
        self._target[partition].remove(broker)
        self._count(broker, partition[0], -1)

    def move(self, partition: tuple[str, int], source: int, to: int) -> None:
        have = self._target[partition]
        have[have.index(source)] = to
        self._count(source, partition[0], -1)
        self._count(to, partition[0], 1)


def _spread(target: Assignment, load: _Load) -> None:
    """First within each topic, then over all: a move of the second kind unbalances no topic."""
    for topic in sorted({topic for topic, _ in target}):
        partitions = [partition for partition in target if partition[0] == topic]
        while move := _unlike(partitions, target, load, lambda broker, topic=topic: load.of[broker, topic]):  # type: ignore[misc]
            load.move(*move)
    while move := _unlike(list(target), target, load, lambda broker: load.all[broker], keep_topics=True):
        load.move(*move)


def _unlike(
    partitions: Sequence[tuple[str, int]],
    target: Assignment,
    load: _Load,
    count: Callable[[int], int],
    *,
    keep_topics: bool = False,
) -> tuple[tuple[str, int], int, int] | None:
    """A replica that is to go from a broker with many to one with at least two less: what, from where, to where."""
    for source, to in _pairs(load.brokers, count):
        for partition in reversed(partitions):
            topic, have = partition[0], target[partition]
            if source not in have or to in have:
                continue
            if not keep_topics or load.of[source, topic] > load.of[to, topic]:
                return partition, source, to
    return None


def _pairs(brokers: Sequence[int], count: Callable[[int], int]) -> Iterator[tuple[int, int]]:
    """Brokers of which the first has at least two more than the second, the most unlike ones first."""
    ordered = sorted(brokers, key=lambda broker: (-count(broker), broker))
    for source in ordered:
        for to in reversed(ordered):
            if count(source) - count(to) >= 2:
                yield source, to


def _lead(target: Assignment, brokers: Sequence[int], only: set[tuple[str, int]] | None) -> None:
    """Have each broker be the preferred leader of as many partitions as the others, as far as its replicas allow."""
    leads = Counter({broker: 0 for broker in brokers})
    leads.update(have[0] for have in target.values() if have)
    changed = True
    while changed:
        changed = False
        for partition, have in target.items():
            if only is not None and partition not in only:
                continue
            best = min(have, key=lambda broker: leads[broker], default=None)
            if best is not None and leads[have[0]] - leads[best] >= 2:
                leads[have[0]] -= 1
                leads[best] += 1
                have.remove(best)
                have.insert(0, best)
                changed = True
