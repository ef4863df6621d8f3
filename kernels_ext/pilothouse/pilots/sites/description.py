"""What a pilot should be: one model gives validation, the form's JSON Schema and the record on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
)  # fmt: skip

from pilothouse.errors import InvalidInput
from pilothouse.pilots.sites import units
from pilothouse.pilots.sites.units import LONGEST_S
from pilothouse.registry.records import FIRST
from pilothouse.state import NAME, Fault, first_fault

#: Batch system -> how a line for it begins in a job script.
MARKS = {"slurm": "#SBATCH", "pbs": "#PBS", "lsf": "#BSUB", "gridengine": "#$", "oar": "#OAR"}
#: What fields of a description are called elsewhere.
_OTHER_WORDS = {
    "nodes": ("n_nodes", "num_nodes", "nnodes", "n_workers", "workers", "jobs", "n_jobs"),
    "cores": (
        "ntasks",
        "ntasks_per_node",
        "cpus",
        "ncpus",
        "cpus_per_task",
        "cpus_per_node",
        "n_cores",
        "ppn",
        "threads",
    ),
    "memory": ("mem", "mem_per_node", "ram", "request_memory", "h_vmem"),
    "gpus": ("gres", "ngpus", "n_gpus", "gpus_per_node", "gpu", "request_gpus"),
    "walltime": ("time", "time_limit", "timelimit", "wall_time", "runtime", "duration", "h_rt"),
    "queue": ("partition", "partitions", "queues"),
    "name": ("job_name", "jobname"),
    "directives": ("job_extra", "job_extra_directives", "extra", "sbatch_args", "options"),
    "environment": ("env", "modules", "module", "conda", "venv", "variables"),
    "scratch": ("local_directory", "tmpdir"),
    "lease": ("lifetime",),
}
#: Options of batch systems that descriptions have no field for.
_OPTIONS = ("qos", "reservation", "comment", "mail_type", "mail_user", "licenses", "nodelist", "exclude", "dependency")
#: What a form folds away: most users never need it.
_ADVANCED: dict[str, JsonValue] = {"x-advanced": True}


def said_at(system: str, *, bare: bool = True) -> dict[str, Any]:
    """Pydantic's context for what is said in the words of a batch system.

    Parameters
    ----------
    system
        Which; empty where it is not known.
    bare
        Whether numbers without a unit are taken, as seconds and bytes: from records, not from users.
    """
    return {"system": str(system).rpartition(":")[2], "bare": bare}  # through PSI/J, too: "psij:slurm"


def _seconds(value: object, info: ValidationInfo) -> object:
    return units.seconds(value, **(info.context or {}))


def _bytes(value: object, info: ValidationInfo) -> object:
    return units.size(value, **(info.context or {}))


def _directive(value: object, info: ValidationInfo) -> object:
    """A line without the mark of the batch system that it is for."""
    system = (info.context or {}).get("system", "")
    if not isinstance(value, str) or not value.lstrip().startswith("#") or not system:
        return value
    line = value.strip()
    theirs = next((name for name, mark in MARKS.items() if line.startswith(mark)), "")
    if not theirs:
        raise ValueError("a comment asks for nothing: leave it out")
    if theirs != system:
        raise ValueError(
            f"{MARKS[theirs]} is for {theirs}, and this site has {system}: say it in the words of {system}"
        )
    return line.removeprefix(MARKS[theirs]).strip()


#: Seconds, from ``"2h30m"`` and the like: see :func:`pilothouse.pilots.sites.units.seconds`.
Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)]
#: Bytes, from ``"4 GiB"`` and the like: see :func:`pilothouse.pilots.sites.units.size`.
Size = Annotated[ByteSize, BeforeValidator(_bytes, json_schema_input_type=str)]
#: A value that becomes part of a line of the job script.
Word = Annotated[str, Field(pattern=r"^\S+$", max_length=256)]
#: A line of the job script.
Line = Annotated[str, Field(pattern=r"^[^\r\n]+$", max_length=2048)]
#: A line for the batch system in the header of a job script.
Directive = Annotated[Line, BeforeValidator(_directive, json_schema_input_type=str)]


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
    memory: Size | None = Field(None, title="Memory", description="Memory of a node, such as '4 GiB'.")
    gpus: int | None = Field(None, title="GPUs", ge=0, le=64, description="GPUs of a node.")
    walltime: Duration | None = Field(None, title="Walltime", ge=30, le=LONGEST_S, description="Of each node's job.")
    queue: Word | None = Field(None, title="Queue", description="Queue (partition) of the batch system.")
    constraint: Line | None = Field(
        None, json_schema_extra=_ADVANCED, title="Constraint", description="Features that a node must have."
    )
    exclusive: bool | None = Field(
        None, json_schema_extra=_ADVANCED, title="Exclusive", description="Share the node with no other job."
    )
    directives: list[Directive] | None = Field(
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
    memory: Size | None = Field(
        None,
        title="Memory",
        description="Memory of a node, such as '4 GiB'; when left out, what the batch system gives, or a fair share.",
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
    directives: list[Directive] = Field(
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
        "30min",
        validate_default=True,
        title="Idle time-out",
        ge=1,
        le=LONGEST_S,
        description="End after this time without work: '30min'.",
    )
    lease: Duration = Field(
        "12h",
        validate_default=True,
        title="Lease",
        ge=1,
        le=LONGEST_S,
        description="End after this time in any case: '12h'.",
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
    known, word = fields_of(model, fault.path[:-1]), str(fault.path[-1])
    return f"there is no such field; there are {', '.join(known)}{meant(word, known) or near(word, known)}"


def meant(word: str, known: Iterable[str]) -> str:
    """``"; here that is queue"`` for ``partition``; empty when nothing `known` is called that elsewhere."""
    plain = word.replace("-", "_").lower()
    if plain in _OPTIONS and "directives" in known:
        return f"; an option of the batch system goes into directives, such as ['--{plain.replace('_', '-')}=...']"
    found = next((field for field, words in _OTHER_WORDS.items() if plain in words and field in known), "")
    return f"; here that is {found}" if found else ""


def check(model: type[BaseModel], values: dict[str, Any], system: str = "", *, bare: bool = True) -> Any:
    """`values` as a `model`, or :class:`InvalidInput` that names the first field at fault, its value and the remedy.

    Parameters
    ----------
    system, bare
        As for :func:`said_at`.
    """
    try:
        return model.model_validate(values, context=said_at(system, bare=bare))
    except ValidationError as error:
        fault = first_fault(error)
        shown = f"{fault.field}={fault.value!r}: " if fault.field else ""
        raise InvalidInput(f"{shown}{explained(model, fault)}", field=fault.field or None) from None


def seconds_of(field: str, value: object, system: str) -> float:
    """A time that a user asks for as `field` of a pilot, in seconds; :class:`InvalidInput` when it can't be one."""
    return float(getattr(check(PilotDescription, {field: value}, system, bare=False), field))
