"""What a pilot should be: one model gives validation, the form's JSON Schema and the record on disk."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError

from pilothouse.errors import InvalidInput
from pilothouse.state import NAME

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h|d)?", re.IGNORECASE)
#: Longest lease and idle time-out: 366 days.
LONGEST_S = 366 * 86_400
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    """``"30min"``, ``"2h"``, ``90`` or a timedelta as seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if not match:
            raise ValueError("a duration is a number with a unit: '90s', '30min', '2h', '1d'")
        return float(match[1]) * _SECONDS[(match[2] or "s").lower()]
    return value


Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | str)]


class PilotDescription(BaseModel):
    """A pilot as asked for. Sites narrow the limits."""

    model_config = ConfigDict(extra="forbid", title="New pilot")

    site: str = Field("local", title="Site", description="Where the nodes come from.")
    name: str | None = Field(
        None, title="Name", pattern=f"^{NAME.pattern}$", description="Unique for you; made up when left out."
    )
    nodes: int = Field(1, title="Nodes", ge=1, le=10_000, description="How many nodes to keep running.")
    cores: int = Field(1, title="Cores", ge=1, le=4096, description="Cores of a node.")
    memory: ByteSize | None = Field(
        None, title="Memory", description="Memory of a node, such as '4 GiB'; an equal share of the host when left out."
    )
    idle_timeout: Duration = Field(
        1800,
        title="Idle time-out",
        ge=1,
        le=LONGEST_S,
        description="End after this time without work: '30min', or seconds.",
    )
    lease: Duration = Field(
        43_200, title="Lease", ge=1, le=LONGEST_S, description="End after this time in any case: '12h', or seconds."
    )


def check(model: type[BaseModel], values: dict[str, Any]) -> Any:
    """`values` as a `model`, or :class:`InvalidInput` that names the first field at fault, its value and the remedy."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-")) or None
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = f"there is no such field; there are {', '.join(model.model_fields)}"
        shown = f"{field}={first['input']!r}: " if field else ""
        raise InvalidInput(f"{shown}{message[0].lower()}{message[1:]}", field=field) from None
