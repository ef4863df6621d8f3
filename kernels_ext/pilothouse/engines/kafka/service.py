"""The handle of a Kafka that a pilot started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilothouse.engines.kafka.clients import Clients, Configuration, credentials
from pilothouse.engines.kafka.properties import USER
from pilothouse.engines.service import Service
from pilothouse.errors import NotFound

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient


class KafkaService(Clients, Service):
    """A Kafka, of which each member is a broker.

    Examples
    --------
    >>> kafka = pilot.start("kafka", nodes=1)  # doctest: +SKIP
    >>> kafka.create("frames", partitions=8)  # doctest: +SKIP
    >>> producer = kafka.producer()  # doctest: +SKIP
    >>> consumer = kafka.consumer("analysis")  # doctest: +SKIP
    """

    @property
    def configuration(self) -> Configuration:
        """Address and credentials, for any client that is made of librdkafka. Waits until the service is ready."""
        address = self.address
        return Configuration(
            credentials(address, USER, self.secrets["password"], "SCRAM-SHA-256", "SASL_PLAINTEXT")
        )  # fmt: skip

    @property
    def largest(self) -> int:
        """Bytes of the largest message."""
        return int(self.settings["message"])

    def client(self) -> AdminClient:
        """An administrator's client (``confluent_kafka.admin.AdminClient``) that has been answered."""
        return super().client()

    def create(self, topic: str, partitions: int = -1, replication: int = -1, **configuration: Any) -> None:
        """Make a topic; see :meth:`Clients.create`. With as many replicas as the settings say, or nodes now allow."""
        if replication < 0:
            from pilothouse.engines.kafka.properties import replicas

            replication = replicas(self.settings["replication"], len(self._serving_brokers()))
        super().create(topic, partitions, replication, **configuration)

    def rebalance(self) -> dict[str, int]:
        """Spread partitions evenly over the brokers; how many moved, and their bytes. Topics may be new since then."""
        moved: dict[str, int] = self.order("rebalance")
        return moved

    def replicate(self, topic: str, factor: int) -> dict[str, int]:
        """Have each partition of a topic on `factor` brokers; how many changed, and the bytes that were copied."""
        moved: dict[str, int] = self.order("replicate", topic=topic, factor=factor)
        return moved

    def _has_ended(self) -> bool:
        """Whether it was stopped, has failed, or was removed since then."""
        try:
            return self.state.ended
        except NotFound:
            return True

    def _serving_brokers(self) -> list[dict[str, Any]]:
        return [member for member in self.members if member["state"] == "running"]
