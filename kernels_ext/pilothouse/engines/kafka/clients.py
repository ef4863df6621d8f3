"""Clients of a Kafka, configured: librdkafka's through confluent-kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pilothouse.errors import Conflict, Refused, Unavailable

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer
    from confluent_kafka.admin import AdminClient, ClusterMetadata

C = TypeVar("C")
#: Seconds within which a Kafka answers, or is said not to.
ANSWER_S = 10.0
SECRET = "sasl.password"  # noqa: S105 - the setting's name
#: What makes connections come back soon.
CONNECTION: Mapping[str, Any] = {
    "retry.backoff.ms": 50,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 200,
    "socket.nagle.disable": True,
    "log_level": 2,  # what fails is raised, or told to callbacks; that a broker was away for a moment is no news
}
#: Every message arrives once and in order, also while partitions move; batches as large as brokers take.
PRODUCER: Mapping[str, Any] = {
    "allow.auto.create.topics": True,  # without the topic, what is produced would be lost to whoever hears no callback
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 5,
    "batch.size": 1_000_000,
    "queue.buffering.max.kbytes": 262_144,
    "delivery.timeout.ms": 120_000,
}
CONSUMER: Mapping[str, Any] = {
    "allow.auto.create.topics": False,
    "auto.offset.reset": "earliest",
    "fetch.max.bytes": 67_108_864,
    "queued.max.messages.kbytes": 131_072,
    "fetch.wait.max.ms": 50,
    "partition.assignment.strategy": "cooperative-sticky",
}


class Configuration(Mapping[str, Any]):
    """Settings of librdkafka, for clients of any kind: ``Producer({**kafka.configuration, ...})``.

    What is printed of it has no password.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr({**self._values, **({SECRET: "***"} if SECRET in self._values else {})})


def answered(make: Callable[[dict[str, Any]], C], settings: Mapping[str, Any], seconds: float) -> C:
    """A client of librdkafka that has been answered, by a broker that it knows by its number.

    Until it has, it asks: left alone it looks whether there is somebody to ask each half a second.

    Raises
    ------
    Refused
        The Kafka does not let these credentials in; with its own words.
    Unavailable
        Nothing answered within so many seconds.
    """
    from confluent_kafka import KafkaError, KafkaException

    said: list[KafkaError] = []
    users = settings.get("error_cb")

    def hear(error: KafkaError) -> None:
        said.append(error)
        if users is not None:
            users(error)

    made = make({**settings, "error_cb": hear})
    client: Any = made
    denied = (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED)  # noqa: SLF001 - their public names
    address, user = settings["bootstrap.servers"], settings.get("sasl.username", "")
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.list_topics(timeout=0.5)
            client.list_topics(timeout=0.5)  # the first one was answered by an address, not yet by a broker
        except KafkaException as error:
            last = error.args[0]
        else:
            said.clear()
            return made
        client.poll(0)  # the reason of a refusal comes only this way, the call itself ends with a time-out
        if refused := [error for error in [*said, last] if error.code() in denied]:
            raise Refused(
                f"Kafka at {address} does not let {user or 'this client'} in: {refused[0].str()}", field="password"
            )
        if time.monotonic() > deadline:
            why = said[-1].str() if said else last.str()
            raise Unavailable(f"no Kafka answers at {address}: {why}", field="address")


def reached(configuration: Mapping[str, Any], seconds: float = ANSWER_S) -> tuple[AdminClient, ClusterMetadata]:
    """An administrator's client that has been answered, and what it was told of the cluster; see :func:`answered`."""
    from confluent_kafka.admin import AdminClient

    client = answered(AdminClient, dict(configuration), seconds)
    return client, client.list_topics(timeout=seconds)


class Clients:
    """What can be done with a Kafka whose address and credentials are known."""

    @property
    def configuration(self) -> Configuration:
        """Address and credentials, for any client that is made of librdkafka."""
        raise NotImplementedError

    @property
    def largest(self) -> int:
        """Bytes of the largest message that clients are made for."""
        raise NotImplementedError

    def client(self) -> AdminClient:
        """An administrator's client that has been answered.

        Raises
        ------
        Refused, Unavailable
            The credentials are wrong, with the reason; or nothing answers.
        """
        return reached(self.configuration)[0]

    def producer(self, **settings: Any) -> Producer:
        """A producer with which each message arrives once, in order; ``flush()`` waits until it has.

        Parameters
        ----------
        settings
            librdkafka's, with ``_`` for ``.``: ``linger_ms=20``. They win over those that are set here.

        Raises
        ------
        Refused, Unavailable
            As for :meth:`client`.

        Examples
        --------
        >>> producer = kafka.producer()  # doctest: +SKIP
        >>> producer.produce("frames", b"...", key=b"1")  # doctest: +SKIP
        >>> producer.flush()  # doctest: +SKIP
        0
        """
        from confluent_kafka import Producer

        largest = {"message.max.bytes": max(self.largest - 1024, 1000)}
        return answered(Producer, {**self.configuration, **PRODUCER, **largest, **_dotted(settings)}, ANSWER_S)

    def consumer(self, group: str, **settings: Any) -> Consumer:
        """A consumer of the group `group`, which begins with the oldest message; fetches large batches soon.

        ``consume(n, 0.05)`` returns what is there; with a long time-out it waits until `n` are.

        Parameters
        ----------
        settings
            librdkafka's, with ``_`` for ``.``: ``auto_offset_reset="latest"``. They win over those that are set here.
        """
        from pilothouse.engines.kafka.consumer import ServiceConsumer

        largest = {"fetch.message.max.bytes": self.largest, "receive.message.max.bytes": 2 * 67_108_864}
        found = {**self.configuration, **CONSUMER, "group.id": group, **largest, **_dotted(settings)}
        return ServiceConsumer(found, self._has_ended)

    def _has_ended(self) -> bool:
        """Whether it will never answer again, as far as is known."""
        return False

    def topics(self) -> dict[str, int]:
        """The users' topics and how many partitions each has."""
        metadata = reached(self.configuration)[1]
        return {name: len(topic.partitions) for name, topic in sorted(metadata.topics.items()) if name[:2] != "__"}

    def create(self, topic: str, partitions: int = -1, replication: int = -1, **configuration: Any) -> None:
        """Make a topic; returns when clients can use it.

        Parameters
        ----------
        partitions, replication
            How many, and on how many brokers each; -1: as the Kafka is set.
        configuration
            The topic's, with ``_`` for ``.``: ``retention_ms=60_000``.

        Raises
        ------
        Conflict
            There is one of that name.
        Refused
            The Kafka's own words.
        """
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import NewTopic

        client = self.client()
        config = {name: str(value) for name, value in _dotted(configuration).items()}
        made = NewTopic(topic, num_partitions=partitions, replication_factor=replication, config=config)
        try:
            client.create_topics([made], operation_timeout=ANSWER_S)[topic].result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                raise Conflict(f"topic={topic!r}: there is one of that name", field="topic") from None
            raise Refused(f"topic={topic!r}: {error.args[0].str()}", field="topic") from None
        deadline = time.monotonic() + ANSWER_S
        while not _led(client.list_topics(topic, timeout=ANSWER_S), topic):
            if time.monotonic() > deadline:
                raise Unavailable(f"topic={topic!r} was made, and its partitions have no leaders yet", field="topic")
            time.sleep(0.01)


def _led(metadata: ClusterMetadata, topic: str) -> bool:
    partitions = metadata.topics[topic].partitions if topic in metadata.topics else {}
    return bool(partitions) and all(partition.leader >= 0 for partition in partitions.values())


def _dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The names of librdkafka itself; callbacks are the only ones with an underscore."""
    return {name if name.endswith("_cb") else name.replace("_", "."): value for name, value in settings.items()}


def credentials(address: str, username: str, password: str, mechanism: str, protocol: str) -> dict[str, Any]:
    """Settings of librdkafka to get there and in."""
    return {
        "bootstrap.servers": address,
        "security.protocol": protocol,
        **({"sasl.mechanism": mechanism, "sasl.username": username, SECRET: password} if "SASL" in protocol else {}),
        **CONNECTION,
    }
