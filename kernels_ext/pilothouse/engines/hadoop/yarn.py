"""YARN as an engine: a ResourceManager on the first node, a NodeManager on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pilothouse.engines.hadoop.yarn_files import MANAGER, NODE
from pilothouse.engines.protocols import Engine

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.yarn_settings import YARNSettings
    from pilothouse.engines.protocols import Member, Place
    from pilothouse.engines.service import Service
    from pilothouse.engines.settings import Settings
    from pilothouse.registry.records import PilotRecord


class YARN(Engine):
    """Hadoop's resource manager."""

    title = "YARN"
    java = 17
    jars = ("hadoop",)

    def settings(self) -> type[Settings]:
        """The model of its settings."""
        from pilothouse.engines.hadoop.yarn_settings import YARNSettings

        return YARNSettings

    def check(self, pilot: PilotRecord, nodes: int, settings: Settings) -> None:  # noqa: ARG002 - any number will do
        """Refuse where others could reach it, and an HDFS that is not there."""
        from pilothouse.engines.hadoop import exposure
        from pilothouse.engines.hadoop.yarn_settings import file_system
        from pilothouse.engines.jvm.jars import found, said_fetch

        yarn: YARNSettings = settings  # type: ignore[assignment]
        exposure.check(pilot, self.title, unprotected=yarn.unprotected)
        yarn.hdfs = file_system(yarn.hdfs)
        if not found("hadoop"):
            said_fetch("hadoop")

    def role(self, there: Sequence[str], wanted: int) -> str:  # noqa: ARG002 - not by their number
        """The first has the ResourceManager."""
        return NODE if MANAGER in there else MANAGER

    def first(self, role: str) -> bool:
        """NodeManagers need to know where the ResourceManager is."""
        return role == MANAGER

    def loses(self, role: str, others: Sequence[str]) -> str:
        """Without its ResourceManager there is no cluster."""
        if role == MANAGER:
            return "its ResourceManager, which knows all applications"
        return "" if others else "all of its nodes"

    def pages(self, members: Sequence[Mapping[str, Any]]) -> str:
        """The ResourceManager's: nodes, queues, applications."""
        return next((f"http://{member['web']}" for member in members if "web" in member), "")

    def member(self, place: Place) -> Member:
        """A ResourceManager and a NodeManager, or a NodeManager."""
        from pilothouse.engines.hadoop.yarn_member import YARNMember

        return YARNMember(place)

    def handle(self) -> type[Service]:
        """Its services' handles ask the ResourceManager."""
        from pilothouse.engines.hadoop.yarn_service import YARNService

        return YARNService
