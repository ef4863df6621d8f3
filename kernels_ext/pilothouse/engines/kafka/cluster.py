"""Changes of a cluster, as one of its members makes them for all."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from pilothouse.engines.kafka import administration, moving, quorum
from pilothouse.engines.kafka.administration import Administration, Partition, Voter
from pilothouse.engines.kafka.assignment import plan
from pilothouse.engines.kafka.needs import BROKER, CONTROLLER
from pilothouse.engines.kafka.properties import EARLY, INTERNAL, replicas
from pilothouse.errors import Failed, InvalidInput

if TYPE_CHECKING:
    from pilothouse.engines.protocols import Place

#: Seconds for partitions of which nothing is left to be there again; and for brokers that lead some to come back.
EMPTY_S, BACK_S = 30.0, 120.0
#: The most of the time that there is in which these are waited for.
BACK = 0.5
#: Seconds between two looks whether they have, and for one to take a connection.
LOOK_S, CONNECT_S = 0.2, 1.0


class Cluster:
    """A context manager; numbers are those of members.

    Parameters
    ----------
    place
        The member's.
    id_of
        From a member's number to its broker's.
    but
        Members that are not asked, beside those that are about to leave: these may hear no news any more.
    """

    def __init__(self, place: Place, id_of: Callable[[int], int], but: Sequence[int] = ()) -> None:
        self._place, self._id_of = place, id_of
        servers = [str(member["broker"]) for member in self._those_that_stay(but).values() if "broker" in member]
        self._throttle: int | None = place.settings["throttle"]
        self.asked = Administration(servers, place.secrets["password"], lambda: not place.stopping)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.asked.close()

    # ------------------------------------------------------------------ partitions

    def spread(self) -> dict[str, int]:
        """Have all brokers have as much as the others, and as many as are wanted a copy of Kafka's own topics."""
        self._tidy()
        brokers = self._staying()
        internal = replicas(self._place.settings["replication"], len(brokers))
        self.have_own_topics(brokers)
        target = plan(
            _replicas(self._led()), brokers, lambda topic, now: max(now, internal) if topic in INTERNAL else now
        )  # fmt: skip
        self._set_least_in_sync(len(brokers))
        return self._moved(target)

    def have_own_topics(self, brokers: Sequence[int]) -> None:
        """Where Kafka's own topics are to have copies, have it make them while there are brokers for these."""
        if replicas(self._place.settings["replication"], len(brokers)) > 1:
            self.asked.make_own_topics(EARLY)

    def replicate(self, topic: str, factor: int) -> dict[str, int]:
        """Have each partition of a topic on `factor` brokers.

        Raises
        ------
        InvalidInput
            There is no such topic, or there are not as many brokers.
        """
        self._tidy()
        brokers, found = self._staying(), self.asked.partitions()
        if not any(name == topic for name, _ in found):
            raise InvalidInput(f"topic={topic!r}: there is none of that name", field="topic")
        if not 1 <= factor <= len(brokers):
            raise InvalidInput(f"factor={factor}: 1 to {len(brokers)}, the number of brokers", field="factor")
        target = plan(
            _replicas(self._led()), brokers, lambda name, now: factor if name == topic else now, balance=False
        )  # fmt: skip
        return self._moved(target)

    def drain(self, numbers: Sequence[int], seconds: float) -> None:
        """Move everything from these to the others."""
        deadline = time.monotonic() + seconds
        self._tidy(seconds)
        brokers = self._staying(numbers)
        if not brokers:
            raise Failed("no other broker is there that could take over")
        self._set_least_in_sync(len(brokers))
        self._moved(plan(_replicas(self._led()), brokers, balance=False), deadline - time.monotonic())
        going = {self._id_of(number) for number in numbers}
        found = self.asked.partitions().items()
        left = [partition for partition, what in found if what.leader < 0 and going.intersection(what.replicas)]
        if left:
            topics = ", ".join(sorted({topic for topic, _ in left}))
            why = " and ".join(self._away().values()) or "nobody who has all of them is there"
            raise Failed(f"{len(left)} partitions (of {topics}) have no leader that they could be copied from: {why}")

    def make_good(self, numbers: Sequence[int]) -> None:
        """Have others copy what lost ones had. What nobody has all of is there again with less: that is told."""
        gone = {self._id_of(number) for number in numbers}
        moving.give_up(self.asked)
        self._tidy()
        brokers = self._staying(numbers)
        found = self.asked.partitions()
        hit = {partition: what for partition, what in found.items() if gone.intersection(what.replicas)}
        away = self._away().keys()
        dead = [
            partition for partition, what in hit.items()
            if (what.leader < 0 or gone.issuperset(what.in_sync or what.replicas)) and away.isdisjoint(what.replicas)
        ]  # fmt: skip
        self._set_least_in_sync(len(brokers))
        target = plan(_replicas(found), brokers, balance=False)
        if dead:
            self._begin_empty({partition: target[partition] for partition in dead})
            names = sorted({topic for topic, _ in dead if topic not in INTERNAL})
            self._place.event("messages lost", partitions=len(dead), topics=names, brokers=sorted(gone))
        led = self._led()
        self._moved({partition: replicas for partition, replicas in target.items() if partition in led})

    def _staying(self, but: Sequence[int] = ()) -> list[int]:
        """Brokers that can be given something: those of members that stay; where all others leave too, those of these.

        A broker that has just left serves, for the cluster, as long as it has not been missed.
        """
        there = {self._id_of(number) for number in self._those_that_stay(but)}
        return [broker for broker in self.asked.brokers() if broker in there]

    def _those_that_stay(self, but: Sequence[int]) -> dict[int, Mapping[str, Any]]:
        """Members without these, and without those that are about to leave, unless all are."""
        others = {number: member for number, member in self._place.members.items() if number not in but}
        return {number: member for number, member in others.items() if member["state"] != "leaving"} or others

    def _begin_empty(self, target: Mapping[tuple[str, int], list[int]]) -> None:
        """Have partitions led by brokers that have nothing, or not all, of them: those that had are gone."""
        self.asked.move(dict(target))
        deadline = time.monotonic() + EMPTY_S
        while left := [partition for partition in target if self.asked.partitions()[partition].leader < 0]:
            if time.monotonic() > deadline or self._place.stopping:
                raise Failed(f"{len(left)} partitions whose brokers are gone got no others")
            self.asked.elect(left, unclean=True)
            time.sleep(0.1)

    def _moved(self, target: Mapping[tuple[str, int], list[int]], seconds: float | None = None) -> dict[str, int]:
        moved = moving.carry_out(self.asked, dict(target), self._throttle, self._place.progress, seconds)
        return {"partitions": len(target), "bytes": moved}

    def _tidy(self, seconds: float = BACK_S) -> None:
        """What another one has begun, who was interrupted, comes to its end first; who is just away comes back."""
        moving.take_up(self.asked)
        moving.unthrottle(self.asked)
        deadline = time.monotonic() + min(seconds * BACK, BACK_S)
        try:
            while (away := self._away()) and time.monotonic() < deadline:
                if self._place.stopping:
                    raise Failed("interrupted")
                self._place.waits_for = "waits for " + " and ".join(away.values())
                time.sleep(LOOK_S)
        finally:
            self._place.waits_for = ""

    def _away(self) -> dict[int, str]:
        """Brokers that are just being started again: those that the cluster has not missed yet, or can't do without.

        Others are no loss: partitions have another leader.
        """
        found, serving = self.asked.partitions(), self.asked.brokers()
        needed = {broker for what in found.values() if what.leader < 0 for broker in what.replicas}.difference(serving)
        members = {self._id_of(number): member for number, member in self._place.members.items() if "broker" in member}
        return {
            number: f"broker {number} on {member['node']}" for number, member in members.items()
            if number in needed or (number in serving and not _takes_connections(str(member["broker"])))
        }  # fmt: skip

    def _led(self) -> dict[tuple[str, int], Partition]:
        """Partitions that have a leader: others can't be copied."""
        return {partition: what for partition, what in self.asked.partitions().items() if what.leader >= 0}

    def _set_least_in_sync(self, brokers: int) -> None:
        """Acknowledged is what all replicas but one have: losing a broker stops nobody, and loses nothing."""
        factor = replicas(self._place.settings["replication"], brokers)
        self.asked.configure({(administration.BROKER, ""): {"min.insync.replicas": str(max(factor - 1, 1))}})

    # ------------------------------------------------------------------ members

    def settle_votes(self, *, without: Sequence[int] = (), gone: Sequence[int] = ()) -> dict[int, str]:
        """Have the right controllers vote; the roles of those that stay, by member.

        Parameters
        ----------
        without
            Members that are about to go.
        gone
            Members that do not live any more.
        """
        live = set(self.asked.brokers())
        members: dict[int, Voter] = {}
        for number, member in self._those_that_stay((*without, *gone)).items():
            voter = Voter.of(member)
            if voter is not None and self._id_of(number) in live:
                members[self._id_of(number)] = voter._replace(number=self._id_of(number))
        if not members:
            raise Failed("no other member is there that could be a controller")
        leaving = [n for n, member in self._place.members.items() if member["state"] == "leaving" and n not in without]
        voters = quorum.settle(
            self.asked, self._place.secrets["cluster"], members, gone=[self._id_of(number) for number in gone],
            leaving=[self._id_of(number) for number in leaving if self._id_of(number) not in members],
        )  # fmt: skip
        staying = [number for number in self._place.members if self._id_of(number) in members]
        return {number: CONTROLLER if self._id_of(number) in voters else BROKER for number in staying}

    def forget(self, numbers: Sequence[int]) -> None:
        """Have the cluster forget these brokers."""
        for number in numbers:
            self.asked.unregister(self._id_of(number))


def _replicas(found: Mapping[tuple[str, int], Partition]) -> dict[tuple[str, int], list[int]]:
    return {partition: what.replicas for partition, what in found.items()}


def _takes_connections(end_point: str) -> bool:
    """Whether a broker's process is there: the cluster misses it only after a while."""
    host, _, port = end_point.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except OSError:
        return False
    return True
