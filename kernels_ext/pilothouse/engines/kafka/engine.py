"""The engine ``kafka``: what the supervisor and the nodes have to know of it. Imports nothing that takes long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pilothouse.engines.protocols import Engine
from pilothouse.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from pilothouse.engines.protocols import Member, Place
    from pilothouse.engines.service import Service
    from pilothouse.engines.settings import Settings
    from pilothouse.registry.records import PilotRecord

#: Bytes that a broker takes besides its heap: classes, threads, buffers.
BESIDES = 192 << 20
LEAST_JAVA = 17
CONTROLLER, BROKER = "controller", "broker"


class Kafka(Engine):
    """Apache Kafka 4 without ZooKeeper: each member is a broker, one or three of them vote on the metadata."""

    title: ClassVar[str] = "Apache Kafka"
    orders: ClassVar[frozenset[str]] = frozenset({"rebalance", "replicate"})

    def settings(self) -> type[Settings]:
        """:class:`pilothouse.engines.kafka.settings.KafkaSettings`."""
        from pilothouse.engines.kafka.settings import KafkaSettings

        return KafkaSettings

    def check(self, pilot: PilotRecord, nodes: int, settings: Settings) -> None:
        """Whether its clients and jars are there, its heap fits into a node, and what was kept can be gone on with."""
        from importlib.util import find_spec

        from pilothouse.engines.jvm.jars import jars
        from pilothouse.engines.jvm.java import java
        from pilothouse.engines.kafka import kept

        values = settings.model_dump(mode="json")
        lacking = [name for name in ("confluent_kafka", "kafka") if find_spec(name) is None]
        if lacking:
            raise Unavailable(
                f"{' and '.join(lacking)} not installed: `pip install 'pilothouse[kafka]'`", field="engine"
            )
        memory = int(pilot.description.get("memory") or 0)
        if memory and values["heap"] + BESIDES > memory:
            raise too_large(values["heap"], memory, f"a node of {pilot.name!r}")
        kept.check(values["keep"], nodes)
        if pilot.site == "local":
            java(LEAST_JAVA)
        jars("kafka")  # fetched here if need be: nodes of a site may have no network

    def secrets(self, settings: Settings) -> Mapping[str, str]:
        """The password of clients, that of controllers, and the cluster's id; those of the kept one it goes on with."""
        from pilothouse.engines.kafka import kept

        return kept.secrets(settings.model_dump(mode="json")["keep"])

    def role(self, there: Sequence[str], wanted: int) -> str:
        """The first one is a controller, the first three where three or more are wanted; others are brokers."""
        return CONTROLLER if there.count(CONTROLLER) < (3 if wanted >= 3 else 1) else BROKER

    def loses(self, role: str, others: Sequence[str]) -> str:
        """With the last controller goes the metadata, and so all topics."""
        if role != CONTROLLER or CONTROLLER in others:
            return ""
        return "the only controller, which knows what is where: all topics with their messages"

    def first(self, role: str) -> bool:
        """Brokers begin when they know of a controller."""
        return role == CONTROLLER

    def address(self, members: Sequence[Mapping[str, Any]]) -> str:
        """All brokers, the longest there first."""
        return ",".join(str(member["broker"]) for member in members if "broker" in member)

    def member(self, place: Place) -> Member:
        """:class:`pilothouse.engines.kafka.member.Broker`."""
        from pilothouse.engines.kafka.member import Broker

        return Broker(place)

    def handle(self) -> type[Service]:
        """:class:`pilothouse.engines.kafka.service.KafkaService`."""
        from pilothouse.engines.kafka.service import KafkaService

        return KafkaService


def too_large(heap: int, memory: int, where: str) -> InvalidInput:
    """The error where a broker does not fit."""
    return InvalidInput(
        f"heap={heap >> 20} MiB: a broker needs {heap + BESIDES >> 20} MiB with it, and {where} has {memory >> 20} MiB",
        field="heap",
    )
