"""What users may set of an HDFS."""

from __future__ import annotations

from pydantic import ByteSize, Field

from pilothouse.engines.settings import KEPT, MIB, Bytes, Kept, Settings


class HDFSSettings(Settings):
    """Settings of ``pilot.start("hdfs", ...)``."""

    replication: int | None = Field(
        default=None, ge=1, le=16, title="Copies",
        description="Of each block, on nodes of their own. Empty: two, or one where there is one node at the start.",
    )  # fmt: skip
    block_size: Bytes = Field(
        default=ByteSize(128 * MIB), ge=MIB, le=4 << 30, multiple_of=512, validate_default=True, title="Block size",
        description="Files are divided into blocks of so many bytes.",
    )  # fmt: skip
    namenode_heap: Bytes = Field(
        default=ByteSize(512 * MIB), ge=128 * MIB, le=256 << 30, validate_default=True, title="Heap of the NameNode",
        description="It holds the names of all files: 1 GiB for a million blocks.",
    )  # fmt: skip
    datanode_heap: Bytes = Field(
        default=ByteSize(512 * MIB), ge=128 * MIB, le=64 << 30, validate_default=True, title="Heap of a DataNode",
        description="What is read and written is cached by the system, not there.",
    )  # fmt: skip
    keep: Kept | None = Field(default=None, title="Kept in", description=KEPT)
    unprotected: bool = Field(
        default=False, title="Unprotected",
        description="Start it also where others are on the nodes: HDFS believes what clients say of themselves, and "
        "who reaches its ports reads and writes in your name.",
    )  # fmt: skip
