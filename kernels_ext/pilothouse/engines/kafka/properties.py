"""The configuration files of a broker: what is set, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

#: The users: of clients and between brokers; of controllers among each other.
USER, NODE = "pilot", "node"
#: Topics that Kafka makes for itself when they are needed -> their partitions.
INTERNAL = {"__consumer_offsets": 8, "__transaction_state": 8, "__share_group_state": 4}
#: Those of them that are made early, where others are to have copies.
EARLY = ("__consumer_offsets", "__transaction_state")
#: Bytes of a log's file: what retention removes at a time.
SEGMENT = 256 << 20
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


class Own(NamedTuple):
    """What one member has of its own: its number, address, ports and data folder."""

    number: int
    host: str
    broker: int
    controller: int
    data: Path


def replicas(wanted: int | None, nodes: int) -> int:
    """How many replicas a partition has where nobody says; `wanted` is the setting."""
    return min(3 if wanted is None else wanted, max(nodes, 1))


def server(
    own: Own, controllers: Sequence[str], nodes: int, settings: Mapping[str, Any], secrets: Mapping[str, str]
) -> str:
    """``server.properties`` of a member.

    Every member can be a controller; which ones have a vote is in the cluster's metadata and changes as members come
    and go, without anything here.

    Parameters
    ----------
    controllers
        End points of controllers that are known, its own among them.
    nodes
        How many members there are to be.
    """
    factor = replicas(settings["replication"], nodes)
    session = int(settings["session_timeout"] * 1000)
    end_points = f"BROKER://{at(own.host, own.broker)},CONTROLLER://{at(own.host, own.controller)}"
    lines: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": own.number,
        "listeners": end_points,
        "advertised.listeners": end_points,
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": ",".join(controllers),
        "log.dirs": own.data,
        # --- who is let in: the users lie in the metadata, so that controllers need something that does not
        "listener.security.protocol.map": "BROKER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.broker.scram-sha-256.sasl.jaas.config": (
            f'{_SCRAM} required username="{USER}" password="{secrets["password"]}";'
        ),
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{_PLAIN} required username="{NODE}" password="{secrets["node"]}" user_{NODE}="{secrets["node"]}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{USER};User:{NODE}",
        "connection.failed.authentication.delay.ms": 50,  # the client waits for it before it learns the reason
        # --- topics
        "auto.create.topics.enable": "false",  # a misspelt name is an error
        "num.partitions": settings["partitions"],
        "default.replication.factor": factor,
        "log.retention.ms": int(settings["retention"] * 1000),
        "log.retention.bytes": settings["retention_size"] or -1,
        "log.segment.bytes": SEGMENT,
        "message.max.bytes": settings["message"],
        "replica.fetch.max.bytes": settings["message"],
        "offsets.topic.replication.factor": factor,
        "offsets.topic.num.partitions": INTERNAL["__consumer_offsets"],
        "transaction.state.log.replication.factor": factor,
        "transaction.state.log.min.isr": max(factor - 1, 1),
        "transaction.state.log.num.partitions": INTERNAL["__transaction_state"],
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": INTERNAL["__share_group_state"],
        # --- how soon others take over
        "broker.session.timeout.ms": session,
        "broker.heartbeat.interval.ms": max(session // 4, 250),
        "controller.quorum.election.timeout.ms": 200 if nodes == 1 else 500,
        "controller.quorum.election.backoff.max.ms": 200,
        "controller.quorum.fetch.timeout.ms": 1000,
        "group.initial.rebalance.delay.ms": 0,  # three seconds for groups of hundreds that start together
        # --- small and quick
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 << 20,
        "socket.send.buffer.bytes": -1,  # what the system finds out by itself
        "socket.receive.buffer.bytes": -1,
        "socket.request.max.bytes": max(2 * settings["message"], 100 << 20),
        "replica.high.watermark.checkpoint.interval.ms": 2000,  # figures are read from there
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())


#: To the process's output, in the form that the project's other logs have.
LOGGING = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{yyyy-MM-dd HH:mm:ss,SSS} %p %m (%c{1})%n
"""


def at(host: str, port: int) -> str:
    """An end point as Kafka writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
