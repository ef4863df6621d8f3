"""The handle of a Spark: sessions in this process, and how they read and write a Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from pilothouse.engines.service import Service
from pilothouse.engines.spark import session
from pilothouse.engines.spark.claims import master_of
from pilothouse.engines.spark.clusters import Cluster, standalone
from pilothouse.engines.spark.pages import asked
from pilothouse.errors import Unavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pilothouse.engines.kafka.clients import Clients


class SparkService(Service):
    """A Spark on nodes of a pilot."""

    def client(self, conf: Mapping[str, Any] | None = None, *, kafka: bool = False) -> SparkSession:
        """A session whose driver is in this process, and whose executors are on the service's nodes.

        The same one each time, until ``.stop()`` of it or of the service; what is imported here is on the nodes, too.

        Parameters
        ----------
        conf
            Spark's own properties, such as ``{"spark.sql.shuffle.partitions": 8}``, on top of those that the service
            was started with. Secrets may be among them: they are on no command line, and in no file that stays.
        kafka
            Whether ``readStream.format("kafka")`` is wanted; see :meth:`kafka_options`. The jars are fetched where
            they are not there.

        Raises
        ------
        Conflict
            This process has a session of something else, or one with other properties: the message says how to end it.
        Refused
            The secret is not the service's.
        Unavailable
            pyspark, Java or the service itself is not there; or versions differ here and on the nodes.
        InvalidInput
            A property is none of Spark's, or is not for users to set.

        Examples
        --------
        >>> spark = service.client()  # doctest: +SKIP
        >>> spark.range(1000).selectExpr("sum(id)").first()[0]  # doctest: +SKIP
        499500
        """
        return session.opened(self._cluster(), conf or {}, kafka=kafka)

    def connect(self, conf: Mapping[str, Any] | None = None) -> SparkSession:
        """A Spark Connect session: its driver is a process of its own on this host, which ends with this process.

        It listens on loopback and lets in who has a token; the wire is not encrypted, so it is never on another host.

        Raises
        ------
        Conflict, Refused, Unavailable, InvalidInput
            As for :meth:`client`.
        """
        from pilothouse.engines.spark import connect

        return connect.opened(self._cluster(), conf or {})

    def kafka_options(self, kafka: Clients) -> dict[str, str]:
        """What ``spark.readStream.format("kafka").options(**…)`` and ``writeStream`` need to know of a Kafka.

        There is a password in it: print none of it. It needs a session of ``client(kafka=True)``.

        Parameters
        ----------
        kafka
            A service of ``pilot.start("kafka")``, or a site's own Kafka.
        """
        from pilothouse.engines.spark.kafka import options

        return options(kafka.configuration)

    def stop(self, timeout: float = 15.0) -> Self:
        """End it, and the session that this process has with it."""
        from pilothouse.engines.spark import connect

        session.close(self.name, self._created)
        connect.close(self.name)
        return super().stop(timeout)

    def _cluster(self) -> Cluster:
        address = self.address
        members = [member for member in self.members if "spark" in member]
        pages = master_of(self.members).get("pages")
        if not (members and pages):
            raise Unavailable(f"no node of {self.name!r} has a worker at the moment: {self.reason or self.state}")
        secret = self.secrets["secret"]
        asked(pages, secret)  # at once what Spark would say after a minute
        first = members[0]
        return Cluster(
            name=self.name, created=self._created, address=address, spark=first["spark"], python=first["python"],
            interpreter=first["interpreter"], own=standalone(address, secret),
            memory=int(self.settings["executor_memory"] or min(int(member["memory"]) for member in members)),
            conf=dict(self.settings["conf"]),
        )  # fmt: skip
