"""What a streaming run is asked to be: one model for validation, the form and the record."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pilothouse.errors import InvalidInput
from pilothouse.state import first_fault
from pilothouse.streams import catalogue

#: The largest payload of one message, bytes.
LARGEST_MESSAGE = 64 << 20


class StreamDescription(BaseModel):
    """A source, a processor, a broker between them, and their sizes."""

    model_config = ConfigDict(extra="forbid", title="Streaming Mini-App")

    source: str = Field("kmeans-random", title="Source", description="What the producers send")
    processor: str = Field("kmeans", title="Processor", description="What the consumers do with each message")
    broker: str = Field("log", title="Broker", description="What carries the messages")
    rate: float | None = Field(
        100.0, gt=0, le=1e6, title="Rate", description="Messages a second from all producers together, by schedule; "
        "nothing: as fast as they can", json_schema_extra={"unit": "messages/s"},
    )  # fmt: skip
    messages: int | None = Field(
        None, ge=1, le=2**53, title="Messages", description="End after so many", json_schema_extra={"unit": "messages"}
    )
    seconds: float | None = Field(
        None, gt=0, le=31e6, title="Duration", description="End after this time", json_schema_extra={"unit": "s"}
    )
    partitions: int = Field(2, ge=1, le=64, title="Partitions", description="Parts of the log, consumed in parallel")
    producers: int = Field(1, ge=1, le=64, title="Producers", description="Processes that send")
    consumers: int = Field(1, ge=1, le=64, title="Consumers", description="Processes that compute")
    clusters: int = Field(10, ge=1, le=2000, title="Clusters", description="Centres of the source and of the model")
    points: int = Field(
        5000, ge=1, le=1_000_000, title="Points", description="Points a message", json_schema_extra={"unit": "points"}
    )
    dim: int = Field(3, ge=1, le=64, title="Dimensions", description="Coordinates of a point")
    decay: float = Field(
        0.95, ge=0, le=1, title="Decay", description="What the past still weighs after one message: 1 all, 0 nothing"
    )
    seed: int = Field(1, ge=0, lt=2**63, title="Seed", description="Of the source's points and the first centres")
    log_bytes: int = Field(
        128 << 20, ge=1 << 20, le=1 << 40, title="Log size", description="Payload bytes that a partition may hold",
        json_schema_extra={"unit": "bytes"},
    )  # fmt: skip
    when_full: Literal["block", "drop"] = Field(
        "block", title="When full", description="block: producers wait for consumers; drop: new messages are given up"
    )

    @field_validator("source", "processor", "broker")
    @classmethod
    def _known(cls, value: str, info: Any) -> str:
        return catalogue.check(info.field_name, value)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.consumers > self.partitions:
            raise InvalidInput(
                f"consumers={self.consumers} can't share partitions={self.partitions}: one would have nothing to do; "
                "take as many partitions or fewer consumers",
                field="consumers",
            )
        size = 4 * self.points * self.dim
        if size > min(LARGEST_MESSAGE, self.log_bytes):
            raise InvalidInput(
                f"points={self.points} of dim={self.dim} make messages of {size} bytes: at most {LARGEST_MESSAGE}, "
                f"and log_bytes={self.log_bytes}, are possible",
                field="points",
            )
        return self

    @classmethod
    def check(cls, values: dict[str, Any]) -> StreamDescription:
        """The description of `values`.

        Raises
        ------
        InvalidInput
            One of them can't be; the message names the field, the value and what would be right.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = first_fault(error)
            message = f"{fault.field}={fault.value!r} can't be: {fault.message}"
            raise InvalidInput(message, field=fault.field or None) from None
