"""Apache Spark as an engine."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pilothouse.engines.protocols import Engine
from pilothouse.engines.spark.claims import master_of
from pilothouse.engines.spark.pages import ROOT

if TYPE_CHECKING:
    from pilothouse.engines.jvm.archives import Archive
    from pilothouse.engines.protocols import Member, Place
    from pilothouse.engines.service import Service
    from pilothouse.engines.settings import Settings
    from pilothouse.registry.records import PilotRecord


class Spark(Engine):
    """Spark, standalone: a worker on each node, the master on one of them."""

    title: ClassVar[str] = "Apache Spark"
    java: ClassVar[int] = 17
    packages: ClassVar[tuple[str, ...]] = ("pyspark",)
    pages_root: ClassVar[str] = ROOT

    def settings(self) -> type[Settings]:
        """:class:`pilothouse.engines.spark.settings.SparkSettings`."""
        from pilothouse.engines.spark.settings import SparkSettings

        return SparkSettings

    def check(self, pilot: PilotRecord, nodes: int, settings: Settings) -> None:  # noqa: ARG002 - any number will do
        """Refuse where pyspark is missing; on a local pilot, Java too.

        Raises
        ------
        Unavailable
            One of them is.
        """
        from pilothouse.engines.jvm.java import java
        from pilothouse.engines.spark import install

        install.version()
        if pilot.settings.get("system") == "local":
            java(least=install.LEAST_JAVA)

    def archives(self) -> Sequence[Archive]:
        """That of master and workers, which have pyspark's own jars."""
        from pilothouse.engines.jvm.java import java
        from pilothouse.engines.spark import install

        return [install.classes(java(least=install.LEAST_JAVA))]

    def secrets(self, settings: Settings) -> Mapping[str, str]:  # noqa: ARG002 - one whatever they are
        """The secret by which daemons, executors and sessions know each other."""
        return {"secret": secrets.token_hex(32)}

    def role(self, there: Sequence[str], wanted: int) -> str:  # noqa: ARG002 - one master, however many there are
        """The first has the master at first; when it goes, another takes over, whatever its role."""
        return "worker" if "master" in there else "master"

    def loses(self, role: str, others: Sequence[str]) -> str:  # noqa: ARG002 - whoever it is
        """Nothing: the master's knowledge is on the file system that nodes share, and sessions can do without it."""
        return ""

    def first(self, role: str) -> bool:
        """Workers need a master."""
        return role == "master"

    def address(self, members: Sequence[Mapping[str, Any]]) -> str:
        """Where the master is: ``spark://host:port``."""
        return str(master_of(members).get("master", ""))

    def pages(self, members: Sequence[Mapping[str, Any]]) -> str:
        """The master's, which has those of workers and applications below its own."""
        return str(master_of(members).get("pages", ""))

    def admission(self, secrets: Mapping[str, str]) -> Mapping[str, str]:
        """A token for Spark's own filter."""
        from pilothouse.engines.spark.pages import admission

        return admission(secrets["secret"])

    def member(self, place: Place) -> Member:
        """Spark on one node."""
        from pilothouse.engines.spark.member import SparkMember

        return SparkMember(place)

    def handle(self) -> type[Service]:
        """:class:`pilothouse.engines.spark.service.SparkService`."""
        from pilothouse.engines.spark.service import SparkService

        return SparkService
