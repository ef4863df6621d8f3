"""HDFS as an engine: a NameNode on the first node, a DataNode on each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse.engines.protocols import Engine

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.hdfs_settings import HDFSSettings
    from pilothouse.engines.protocols import Member, Place
    from pilothouse.engines.service import Service
    from pilothouse.engines.settings import Settings
    from pilothouse.registry.records import PilotRecord

#: Roles: the first has a DataNode too.
NAMENODE, DATANODE = "namenode", "datanode"


class HDFS(Engine):
    """Hadoop's distributed file system."""

    title = "HDFS"
    java = 17
    jars = ("hadoop",)
    packages = ("fsspec", "requests")

    def settings(self) -> type[Settings]:
        """The model of its settings."""
        from pilothouse.engines.hadoop.hdfs_settings import HDFSSettings

        return HDFSSettings

    def check(self, pilot: PilotRecord, nodes: int, settings: Settings) -> None:
        """Refuse where others could reach it, and a kept folder that more nodes have filled."""
        from pilothouse.engines.hadoop import exposure
        from pilothouse.engines.hadoop.storage import check_kept
        from pilothouse.engines.jvm.jars import found, said_fetch

        hdfs: HDFSSettings = settings  # type: ignore[assignment]
        exposure.check(pilot, self.title, unprotected=hdfs.unprotected)
        if hdfs.replication is None:
            hdfs.replication = min(nodes, 2)
        if hdfs.keep is not None:
            check_kept(hdfs.keep, nodes)
        if not found("hadoop"):
            said_fetch("hadoop")

    def role(self, there: Sequence[str], wanted: int) -> str:  # noqa: ARG002 - not by their number
        """The first has the NameNode."""
        return DATANODE if NAMENODE in there else NAMENODE

    def first(self, role: str) -> bool:
        """DataNodes need to know where the NameNode is."""
        return role == NAMENODE

    def loses(self, role: str, others: Sequence[str]) -> str:
        """Without its NameNode nobody knows which blocks are whose."""
        if role == NAMENODE:
            return "its NameNode, which knows the names of all files"
        return "" if others else "the only copies of all files"

    def member(self, place: Place) -> Member:
        """A NameNode and a DataNode, or a DataNode."""
        from pilothouse.engines.hadoop.hdfs_member import HDFSMember

        return HDFSMember(place)

    def handle(self) -> type[Service]:
        """Its services' handles have a file system."""
        from pilothouse.engines.hadoop.hdfs_service import HDFSService

        return HDFSService
