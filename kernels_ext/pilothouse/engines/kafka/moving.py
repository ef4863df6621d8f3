"""Partitions are moved: throttled, with progress, until each is where it is to be, or as if nothing had been begun."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

from pilothouse.engines.kafka.administration import BROKER, TOPIC, Administration, Partition
from pilothouse.engines.kafka.assignment import Assignment
from pilothouse.errors import Failed, PilothouseError

#: Seconds between two looks at how far it is.
LOOK_S = 0.1
#: Seconds without a byte or a partition that has come after which a move is given up.
STUCK_S = 120.0
RATES = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
THROTTLED = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")


def carry_out(
    cluster: Administration,
    target: Assignment,
    throttle: int | None,
    progress: Callable[[float, float, str], None],
    seconds: float | None = None,
) -> int:
    """Move partitions; returns when all are where they are to be, and led by their preferred replicas.

    Parameters
    ----------
    throttle
        Bytes a second of each broker that moves may take; None: no limit.
    progress
        Called with the bytes that have come, those that are to come, and ``"bytes"``.
    seconds
        When they have passed, it is given up.

    Returns
    -------
    int
        Bytes that were moved.

    Raises
    ------
    Failed
        It could not be done, or was interrupted: what had not come yet stays where it was.
    """
    if not target:
        return 0
    before = cluster.partitions()
    target = {partition: replicas for partition, replicas in target.items() if partition in before}
    comes = {partition: set(replicas) - set(before[partition].replicas) for partition, replicas in target.items()}
    total = _bytes_to_come(cluster, comes, before)
    topics = sorted({topic for topic, _ in target}) if throttle is not None and any(comes.values()) else []
    deadline = None if seconds is None else time.monotonic() + seconds
    try:
        if topics:
            _throttle(cluster, topics, throttle)
        if refused := cluster.move(dict(target)):
            (topic, number), why = next(iter(refused.items()))
            raise Failed(f"partition {number} of {topic!r} can't be moved to {target[topic, number]}: {why}")
        _wait(cluster, target, comes, total, progress, deadline)
    except BaseException:
        with contextlib.suppress(PilothouseError):
            give_up(cluster, target)
        raise
    finally:
        if topics:
            with contextlib.suppress(PilothouseError):
                _throttle(cluster, topics, None)
    cluster.elect([*target])
    return total


def give_up(cluster: Administration, partitions: Iterable[tuple[str, int]] | None = None) -> int:
    """Give up what is being moved, or those of it: partitions stay where they were. Returns how many."""
    cluster.going_on = lambda: True  # what interrupted the move is not to interrupt this
    moving = cluster.moving()
    ended = {partition: None for partition in moving if partitions is None or partition in set(partitions)}
    if ended:
        cluster.move(ended)
    return len(ended)


def take_up(cluster: Administration) -> None:
    """Wait for moves that somebody began who is gone now, as far as those who are to get something live.

    What goes to, or comes from nowhere but, brokers that are gone is given up.
    """
    moving = cluster.moving()
    if not moving:
        return
    alive = set(cluster.brokers())
    hopeless = [partition for partition, what in moving.items() if not alive.issuperset(what["adding_replicas"])]
    give_up(cluster, hopeless)
    deadline = time.monotonic() + STUCK_S
    while cluster.moving():
        if time.monotonic() > deadline:
            give_up(cluster)
        if not cluster.going_on():
            raise Failed("interrupted")
        time.sleep(LOOK_S)


def unthrottle(cluster: Administration) -> None:
    """Lift limits that somebody has left who is gone now."""
    _throttle(cluster, sorted({topic for topic, _ in cluster.partitions()}), None)


def _throttle(cluster: Administration, topics: Iterable[str], rate: int | None) -> None:
    """Replicas that have everything are not held back by this, only those that come."""
    which = dict.fromkeys(THROTTLED, None if rate is None else "*")
    limit = dict.fromkeys(RATES, None if rate is None else str(rate))
    cluster.configure({(BROKER, ""): limit} | {(TOPIC, topic): which for topic in topics})


def _bytes_to_come(
    cluster: Administration, comes: dict[tuple[str, int], set[int]], before: dict[tuple[str, int], Partition]
) -> int:
    leaders = {before[partition].leader for partition, new in comes.items() if new} - {-1}
    if not leaders:
        return 0
    sizes = cluster.sizes(sorted(leaders))
    return sum(len(new) * sizes.get(before[partition].leader, {}).get(partition, 0) for partition, new in comes.items())


def _wait(
    cluster: Administration,
    target: Assignment,
    comes: dict[tuple[str, int], set[int]],
    total: int,
    progress: Callable[[float, float, str], None],
    deadline: float | None,
) -> None:
    """Until no partition moves any more and each has the replicas that it is to have."""
    brokers = sorted(set().union(*comes.values()))
    done, moved_at = (-1, 0), time.monotonic()
    while True:
        left = [partition for partition in cluster.moving() if partition in target]
        now = {} if left else cluster.partitions()
        if not left and all(p not in now or now[p].replicas == replicas for p, replicas in target.items()):
            progress(total, total, "bytes")
            return
        come = 0
        if brokers:
            sizes = cluster.sizes(brokers)
            come = sum(sizes.get(broker, {}).get(partition, 0) for partition, new in comes.items() for broker in new)
        if (come, -len(left)) != done:
            done, moved_at = (come, -len(left)), time.monotonic()
            progress(min(come, total), total, "bytes")
        elif time.monotonic() - moved_at > STUCK_S:
            raise Failed(f"{len(left)} partitions have not moved on for {STUCK_S:g} s")
        if deadline is not None and time.monotonic() > deadline:
            raise Failed(f"time was up before {len(left)} partitions had moved")
        if not cluster.going_on():
            raise Failed("interrupted: what had not moved stays where it was")
        time.sleep(LOOK_S)
