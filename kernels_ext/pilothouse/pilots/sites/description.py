"""What a pilot should be: one model gives validation, the form's JSON Schema and the record on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import AliasChoices, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, JsonValue, ValidationError

from pilothouse.errors import InvalidInput
from pilothouse.registry.records import FIRST
from pilothouse.state import NAME, Fault, first_fault

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h|d)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d{2})(?::(\d{2}))?")
#: Longest lease and idle time-out: 366 days.
LONGEST_S = 366 * 86_400
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
#: What a form folds away: most users never need it.
_ADVANCED: dict[str, JsonValue] = {"x-advanced": True}


def _seconds(value: object) -> object:
    """``"30min"``, ``"2h"``, ``"1-12:00:00"``, ``90`` or a timedelta as seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        text = value.strip()
        if clock := _CLOCK.fullmatch(text):
            days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
            return float(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
        match = _DURATION.fullmatch(text)
        if not match:
            raise ValueError("a duration is a number with a unit ('90s', '30min', '2h', '1d') or HH:MM:SS")
        return float(match[1]) * _SECONDS[(match[2] or "s").lower()]
    return value


Duration = Annotated[
    float, BeforeValidator(_seconds, json_schema_input_type=float | str), Field(json_schema_extra={"unit": "s"})
]
#: A value that becomes part of a line of the job script.
Word = Annotated[str, Field(pattern=r"^\S+$", max_length=256)]
#: A line of the job script.
Line = Annotated[str, Field(pattern=r"^[^\r\n]+$", max_length=2048)]


class Environment(BaseModel):
    """What a node's job sets up before its worker starts."""

    model_config = ConfigDict(extra="forbid")

    modules: list[Word] = Field([], title="Modules", description="Environment modules to load, in this order.")
    conda: Word | None = Field(None, title="Conda environment", description="Name or folder of the one to activate.")
    venv: Line | None = Field(None, title="Virtual environment", description="Folder of the one to activate.")
    variables: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Line] = Field(
        {}, title="Variables", description="Environment variables to set."
    )


class NodeKind(BaseModel):
    """One kind of node of a pilot. What is left out is as the pilot's own fields say."""

    model_config = ConfigDict(extra="forbid")

    nodes: int = Field(1, title="Nodes", ge=0, le=10_000, description="How many of this kind to keep running.")
    cores: int | None = Field(None, title="Cores", ge=1, le=4096, description="Cores of a node.")
    memory: ByteSize | None = Field(None, title="Memory", description="Memory of a node, such as '4 GiB'.")
    gpus: int | None = Field(None, title="GPUs", ge=0, le=64, description="GPUs of a node.")
    walltime: Duration | None = Field(None, title="Walltime", ge=30, le=LONGEST_S, description="Of each node's job.")
    queue: Word | None = Field(None, title="Queue", description="Queue (partition) of the batch system.")
    constraint: Line | None = Field(
        None, json_schema_extra=_ADVANCED, title="Constraint", description="Features that a node must have."
    )
    exclusive: bool | None = Field(
        None, json_schema_extra=_ADVANCED, title="Exclusive", description="Share the node with no other job."
    )
    directives: list[Line] | None = Field(
        None, json_schema_extra=_ADVANCED, title="Directives", description="More lines for the batch system."
    )
    resources: dict[Word, float] = Field(
        {},
        json_schema_extra=_ADVANCED,
        title="Resources",
        description="Dask resources of the workers, for tasks that ask for them.",
    )


class PilotDescription(BaseModel):
    """A pilot as asked for. Sites narrow the limits."""

    model_config = ConfigDict(extra="forbid", title="New pilot", populate_by_name=True)

    site: str = Field("local", title="Site", description="Where the nodes come from.")
    name: str | None = Field(
        None, title="Name", pattern=f"^{NAME.pattern}$", description="Unique for you; made up when left out."
    )
    nodes: int = Field(1, title="Nodes", ge=1, le=10_000, description="How many nodes to keep running.")
    cores: int = Field(1, title="Cores", ge=1, le=4096, description="Cores of a node.")
    memory: ByteSize | None = Field(
        None, title="Memory", description="Memory of a node, such as '4 GiB'; a fair share when left out."
    )
    gpus: int = Field(0, title="GPUs", ge=0, le=64, description="GPUs of a node.")
    walltime: Duration | None = Field(
        None,
        title="Walltime",
        ge=30,
        le=LONGEST_S,
        description="Of each node's job: '2h'; else as the site says.",
    )
    queue: Word | None = Field(None, title="Queue", description="Queue (partition) of the batch system.")
    account: Word | None = Field(
        None,
        title="Account",
        validation_alias=AliasChoices("account", "project"),
        description="Account (project) that pays.",
    )
    constraint: Line | None = Field(
        None, json_schema_extra=_ADVANCED, title="Constraint", description="Features that a node must have."
    )
    exclusive: bool = Field(
        False, json_schema_extra=_ADVANCED, title="Exclusive", description="Share nodes with no other job."
    )
    directives: list[Line] = Field(
        [], json_schema_extra=_ADVANCED, title="Directives", description="More lines for the batch system, as they are."
    )
    environment: Environment = Field(
        default_factory=lambda: Environment.model_validate({}),
        json_schema_extra=_ADVANCED,
        title="Job environment",
        description="What jobs set up first.",
    )
    scratch: Line | None = Field(
        None,
        json_schema_extra=_ADVANCED,
        title="Scratch folder",
        description="For temporary files of a node, such as '$TMPDIR'.",
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
    replace: Literal["always", "failed", "never"] = Field(
        "always",
        json_schema_extra=_ADVANCED,
        title="Replace nodes",
        description="Nodes that end: 'always' (before their walltime too), only when they 'failed', or 'never'.",
    )
    placement: Literal["login", "job"] | None = Field(
        None,
        json_schema_extra=_ADVANCED,
        title="Placement",
        description="Where the supervisor lives: on the 'login' node, or in the first batch 'job'.",
    )
    kinds: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,15}$")], NodeKind] = Field(
        {},
        json_schema_extra=_ADVANCED,
        title="More kinds of nodes",
        description="By name, beside the nodes above: {'gpu': {'gpus': 2}}.",
    )

    def kind(self, name: str = FIRST) -> NodeKind:
        """One kind of node with everything filled in; :class:`InvalidInput` when there is none of that name."""
        shared = {field: getattr(self, field) for field in NodeKind.model_fields if field in type(self).model_fields}
        if name == FIRST:
            return NodeKind.model_construct(**shared, resources={"GPU": float(self.gpus)} if self.gpus else {})
        if name not in self.kinds:
            there = ", ".join(map(repr, (FIRST, *self.kinds)))
            raise InvalidInput(f"kind={name!r}: this pilot has no such kind of node; it has {there}", field="kind")
        own = self.kinds[name]
        filled = {field: value for field, value in own if value is not None}
        kind = NodeKind.model_construct(**{**shared, **filled})
        if kind.gpus and "GPU" not in kind.resources:
            kind.resources = {**kind.resources, "GPU": float(kind.gpus)}
        return kind

    def wanted(self) -> dict[str, int]:
        """How many nodes of each kind."""
        return {FIRST: self.nodes, **{name: kind.nodes for name, kind in self.kinds.items()}}


def near(word: str, known: Iterable[str]) -> str:
    """``"; did you mean walltime?"`` for ``walltim``; empty when nothing of `known` is near."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def fields_of(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The names that a value at `path` inside a `model` may have."""
    fields = model.model_fields
    for part in path:
        if str(part) in fields:
            inner = _model_in(fields[str(part)].annotation)
            fields = inner.model_fields if inner else {}
    return list(fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def explained(model: type[BaseModel], fault: Fault) -> str:
    """What is wrong with a field; of one that is not known, which there are."""
    if fault.kind != "extra_forbidden":
        return fault.message
    known = fields_of(model, fault.path[:-1])
    return f"there is no such field; there are {', '.join(known)}{near(str(fault.path[-1]), known)}"


def check(model: type[BaseModel], values: dict[str, Any]) -> Any:
    """`values` as a `model`, or :class:`InvalidInput` that names the first field at fault, its value and the remedy."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error)
        shown = f"{fault.field}={fault.value!r}: " if fault.field else ""
        raise InvalidInput(f"{shown}{explained(model, fault)}", field=fault.field or None) from None
