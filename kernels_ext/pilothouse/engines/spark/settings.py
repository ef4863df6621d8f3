"""What users may set of a Spark."""

from __future__ import annotations

from pydantic import ByteSize, Field, field_validator, model_validator

from pilothouse.engines.settings import MIB, Bytes, Settings
from pilothouse.engines.spark.properties import properties

#: Spark refuses executors with less than 450 MiB.
LEAST_EXECUTOR = 450 * MIB


class SparkSettings(Settings):
    """Settings of ``pilot.start("spark", ...)``."""

    cores: int | None = Field(
        default=None, ge=1, le=4096, title="Cores",
        description="Tasks that a node runs at the same time. Empty: as many as it has cores.",
    )  # fmt: skip
    memory: Bytes | None = Field(
        default=None, ge=LEAST_EXECUTOR, title="Memory",
        description="What a node has for executors' heaps. Empty: half of its memory; the rest is for Python.",
    )  # fmt: skip
    executor_memory: Bytes | None = Field(
        default=None, ge=LEAST_EXECUTOR, title="Memory of an executor",
        description="Its heap. Empty: all that the smallest node has for them, so there is one executor on a node.",
    )  # fmt: skip
    daemon_memory: Bytes = Field(
        default=ByteSize(512 * MIB), ge=128 * MIB, le=64 << 30, validate_default=True, title="Memory of the daemons",
        description="Heap of the master and of each worker; neither holds data.",
    )  # fmt: skip
    conf: dict[str, str] = Field(
        default_factory=dict, title="Properties",
        description="Spark's own properties (spark.…) for all sessions. Secrets are for .client(), they stay there.",
    )  # fmt: skip

    @field_validator("conf", mode="before")
    @classmethod
    def _properties(cls, conf: object) -> object:
        return properties(conf, secrets=False) if isinstance(conf, dict) else conf

    @model_validator(mode="after")
    def _fits(self) -> SparkSettings:
        if self.memory and self.executor_memory and self.executor_memory > self.memory:
            raise ValueError(
                f"executor_memory ({self.executor_memory / MIB:.0f} MiB) is more than a node has for executors, memory "
                f"({self.memory / MIB:.0f} MiB)"
            )
        return self
