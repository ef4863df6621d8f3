"""What a broker does on its node."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.engines.jvm.archives import archive
from pilothouse.engines.jvm.command import command
from pilothouse.engines.jvm.jars import jars
from pilothouse.engines.jvm.java import java
from pilothouse.engines.kafka import kept, properties
from pilothouse.engines.kafka.figures import Figures
from pilothouse.engines.kafka.needs import BESIDES, CONTROLLER, LEAST_JAVA, too_large
from pilothouse.engines.kafka.storage import Founder, format_folder, read_meta
from pilothouse.engines.protocols import Member
from pilothouse.errors import Failed
from pilothouse.state import write_atomic

if TYPE_CHECKING:
    from confluent_kafka import Producer

    from pilothouse.engines.daemon import Daemon
    from pilothouse.engines.kafka.cluster import Cluster
    from pilothouse.engines.protocols import Place

#: Seconds for a broker to answer, also after a crash with much data; and to be one of the cluster.
ANSWER_S, JOIN_S = 90.0, 60.0
#: Seconds for a port to become free of one who was there before.
PORT_S = 10.0
#: Seconds from SIGTERM to SIGKILL where the data stays: a clean end saves the next start a look through the logs.
GRACE_S = 2.0
#: The share of a leaver's time for its partitions; the rest is for votes.
DRAIN = 0.8


class Broker(Member):
    """One member: a Java process that is a broker and can be a controller."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._settings, self._secrets = place.settings, place.secrets
        self._keep: str | None = place.settings["keep"]
        self._broker = self.id_of(place.number)
        self._leaving = False
        self._own: properties.Own | None = None
        self._daemon: Daemon | None = None
        self._client: Producer | None = None
        self._figures: Figures | None = None

    def id_of(self, member: int) -> int:
        """The broker that a member is."""
        return kept.broker_id(self._secrets, member)

    # ------------------------------------------------------------------ beginning

    def start(self) -> None:
        """Start the broker; returns when it has answered a client, and is one of the cluster."""
        place = self._place
        if place.memory and self._settings["heap"] + BESIDES > place.memory:
            raise too_large(self._settings["heap"], place.memory, f"the node {place.node}")
        found = java(LEAST_JAVA)
        classpath = jars("kafka")
        own = self._own = self._placed()
        place.publish(
            broker=properties.at(own.host, own.broker), controller=properties.at(own.host, own.controller)
        )  # fmt: skip
        self._format(own)
        self._configure(own)
        self._until_free(own.host, (own.broker, own.controller))
        classes = archive("kafka", classpath, found)
        self._daemon = place.daemon(
            "broker",
            command(
                found, classpath, "kafka.Kafka", str(self._properties), heap=self._settings["heap"],
                archive=classes.path if classes.there else None,
                options=["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
                properties={"log4j2.configurationFile": str(self._logging), "java.io.tmpdir": str(self._temporary)},
            ),
            grace=GRACE_S,
        )  # fmt: skip
        self._client = self._answering(own)
        place.publish(directory=read_meta(own.data)["directory.id"])
        if len(place.members) > 1:
            self._join()
        if not classes.there:
            classes.make_aside()

    @property
    def _properties(self) -> Path:
        return self._place.scratch / "server.properties"

    @property
    def _logging(self) -> Path:
        return self._place.scratch / "log4j2.properties"

    @property
    def _temporary(self) -> Path:
        return self._place.scratch / "tmp"

    def _placed(self) -> properties.Own:
        """Where its data is, and its ports: those that it had, where it was there before."""
        place = self._place
        folder = kept.of(self._keep, self._broker) if self._keep else place.scratch
        chosen = place.ports("broker", "controller")
        if port := self._settings["port"]:
            chosen["broker"] = port + place.number - 1
        if self._keep:
            chosen = kept.ports(folder, chosen)
        data = folder / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        return properties.Own(self._broker, place.host, chosen["broker"], chosen["controller"], data)

    def _format(self, own: properties.Own) -> None:
        """Make an empty folder one to start from; the longest there of the members founds the cluster."""
        if known := read_meta(own.data):
            if known.get("cluster.id") != self._secrets["cluster"]:
                raise Failed(f"{own.data} has the data of another cluster, {known.get('cluster.id')}")
            return
        founds = self._place.number == min([*self._place.members, self._place.number]) and not self._secrets_know_more()
        founder = Founder(own.host, own.controller, properties.USER, self._secrets["password"]) if founds else None
        try:
            format_folder(own.data, self._secrets["cluster"], own.number, founder)
        except OSError as error:
            raise Failed(f"{own.data} on {self._place.node}: {error.strerror}") from None

    def _secrets_know_more(self) -> bool:
        """Whether there was a cluster before this service."""
        return self._secrets["kept"] != "[]"

    def _configure(self, own: properties.Own) -> None:
        """Write the files that it starts from, with the controllers that are known by now."""
        self._temporary.mkdir(mode=0o700, exist_ok=True)
        write_atomic(self._logging, properties.LOGGING.encode())
        text = properties.server(
            own, self._controllers(own), len(self._place.members), self._settings, self._secrets
        ).encode()  # fmt: skip
        if not self._properties.exists() or self._properties.read_bytes() != text:
            write_atomic(self._properties, text)  # of mode 0600: there are passwords in it

    def _controllers(self, own: properties.Own) -> list[str]:
        others = {str(member["controller"]) for member in self._place.members.values() if "controller" in member}
        return sorted(others | {properties.at(own.host, own.controller)})

    def _until_free(self, host: str, ports: Sequence[int]) -> None:
        """Until ports can be listened at: who had them before may be about to end."""
        for port in ports:
            deadline = time.monotonic() + PORT_S
            while not _free(host, port):
                if time.monotonic() > deadline or self._place.stopping:
                    raise Failed(f"port {port} of {host} on {self._place.node} is in use by another process")
                time.sleep(0.05)

    def _answering(self, own: properties.Own) -> Producer:
        """A client that has been answered, by a cluster that has this broker in it."""
        from confluent_kafka import Producer

        from pilothouse.engines.kafka.clients import credentials

        address = properties.at(own.host, own.broker)
        client = Producer(
            credentials(address, properties.USER, self._secrets["password"], "SCRAM-SHA-256", "SASL_PLAINTEXT")
            | {
                "enable.idempotence": True,  # asks for a producer's id: the first who does waits, and is not the user
                "reconnect.backoff.max.ms": 50,
                "topic.metadata.refresh.interval.ms": -1,
            }
        )
        self._place.until(
            lambda: own.number in client.list_topics(timeout=1.0).brokers,
            f"the broker at {address} to answer",
            ANSWER_S,
        )
        return client

    def _join(self) -> None:
        """The last one of those that come together: have three vote, and Kafka's own topics made with their copies.

        The last one sees all others: each tells of itself before it looks.
        """
        place, client = self._place, self._client
        assert client is not None  # noqa: S101 - start() has one
        there = sorted(client.list_topics(timeout=ANSWER_S).brokers)
        if len(there) < properties.replicas(self._settings["replication"], len(place.members)):
            return

        def all_known() -> bool:
            told = {self.id_of(number) for number, member in place.members.items() if "directory" in member}
            return told.issuperset(there)

        place.until(all_known, "the other members to say who they are", JOIN_S)
        with self._cluster() as cluster:
            if place.role == CONTROLLER:
                cluster.settle_votes()
            cluster.have_own_topics(there)

    def _cluster(self, but: Sequence[int] = ()) -> Cluster:
        from pilothouse.engines.kafka.cluster import Cluster  # half a second of imports: not before the first broker

        return Cluster(self._place, self.id_of, but)

    # ------------------------------------------------------------------ changes

    def admit(self, numbers: Sequence[int]) -> Mapping[int, str]:  # noqa: ARG002 - all brokers are looked at
        """Give new brokers their share of the partitions, and as many as there are now a copy of Kafka's own."""
        with self._cluster() as cluster:
            cluster.spread()
            return cluster.settle_votes()

    def release(self, number: int, seconds: float) -> None:
        """Move what a broker has to the others."""
        with self._cluster(but=[number]) as cluster:
            cluster.drain([number], seconds * DRAIN)

    def leave(self, seconds: float) -> Mapping[int, str]:
        """Move what has come since :meth:`release`; if it votes, another one does instead, even if time was short.

        That is last: a controller that led, and has taken its own vote, hears of nothing any more, nor does its broker.
        """
        self._leaving = True
        with self._cluster(but=[self._place.number]) as cluster:
            try:
                cluster.drain([self._place.number], seconds * DRAIN)
            finally:
                roles = cluster.settle_votes(without=[self._place.number])
            return roles

    def forget(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Have the cluster forget brokers that have left."""
        with self._cluster() as cluster:
            roles = cluster.settle_votes(gone=numbers)
            cluster.forget(numbers)
            return roles

    def lost(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Give what lost brokers had to others, from the copies that there are, and forget them."""
        with self._cluster() as cluster:
            roles = cluster.settle_votes(gone=numbers)
            cluster.forget(numbers)  # others take over at once, without waiting for a sign of life
            cluster.make_good(numbers)
        if self._keep:
            for number in numbers:
                kept.remove(self._keep, self.id_of(number))
        return roles

    def do(self, what: str, **arguments: Any) -> Any:
        """``rebalance``, ``replicate``."""
        with self._cluster() as cluster:
            if what == "replicate":
                return cluster.replicate(str(arguments["topic"]), int(arguments["factor"]))
            return cluster.spread()

    # ------------------------------------------------------------------ going on, ending

    def metrics(self) -> Mapping[str, float]:
        """Of this broker: see :class:`Figures`."""
        if self._own is None or self._client is None or self._daemon is None:
            return {}
        self._configure(self._own)  # what it starts from the next time: controllers may have come and gone
        if self._figures is None:
            self._figures = Figures(self._own.number, self._own.data, self._client)
        return self._figures.now(self._daemon.pid)

    def stop(self) -> None:
        """Where nothing is kept, brokers need not say goodbye: without controllers that takes them a minute."""
        if self._daemon is None:
            return
        if self._leaving or not self._keep:
            self._daemon.kill()
        if self._leaving and self._keep:
            kept.remove(self._keep, self._broker)


def _free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise Failed(f"port {port} of {host}: {os.strerror(error.errno or 0)}") from None
    return True
