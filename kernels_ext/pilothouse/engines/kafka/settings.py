"""What users may set of a Kafka."""

from __future__ import annotations

from pydantic import ByteSize, Field

from pilothouse.engines.settings import KEPT, MIB, Bytes, Kept, Seconds, Settings
from pilothouse.pilots.sites import units


class KafkaSettings(Settings):
    """Settings of ``pilot.start("kafka", ...)``."""

    heap: Bytes = Field(
        default=ByteSize(512 * MIB), ge=128 * MIB, le=64 << 30, validate_default=True, title="Heap",
        description="Memory of each broker's Java heap. What is read and written is cached by the system, not there.",
    )  # fmt: skip
    partitions: int = Field(
        default=4, ge=1, le=4096, title="Partitions", description="Of a topic that is made without a number of them."
    )
    replication: int | None = Field(
        default=None, ge=1, le=9, title="Replicas",
        description="Of each partition of a topic that is made without a number of them. Empty: as many as there are "
        "nodes, three at most.",
    )  # fmt: skip
    message: Bytes = Field(
        default=ByteSize(16 * MIB), ge=1024, le=512 * MIB, title="Largest message",
        description="Bytes of the largest message, or batch of messages as it is sent.",
    )  # fmt: skip
    retention: Seconds = Field(
        default=7 * 86_400.0, ge=60, le=units.LONGEST_S, title="Retention",
        description="How long messages are kept at least: seconds, or '12h', '7d'.",
    )  # fmt: skip
    retention_size: Bytes | None = Field(
        default=None, ge=MIB, title="Retention by size",
        description="Bytes of a partition beyond which its oldest messages are removed. Empty: no limit.",
    )  # fmt: skip
    port: int = Field(
        default=0, ge=0, le=65_000, title="Port",
        description="Of the first broker; each further one has the next. 0: free ones are chosen.",
    )  # fmt: skip
    throttle: Bytes | None = Field(
        default=ByteSize(256 * MIB), ge=64 * 1024, validate_default=True, title="Throttle",
        description="Bytes a second that a broker may send, and receive, of partitions that move. Empty: no limit.",
    )  # fmt: skip
    session_timeout: Seconds = Field(
        default=2.0, ge=1, le=120, title="Session time-out",
        description="Seconds without a sign of life after which others take over a broker's partitions.",
    )  # fmt: skip
    keep: Kept | None = Field(default=None, title="Kept in", description=KEPT)
