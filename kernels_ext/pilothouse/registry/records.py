"""The records of pilots and runs: what any process of the user can know about them without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pilothouse.registry.states import State as State
from pilothouse.registry.store import Record, Records

#: Name of the kind of node that a description's own fields describe.
FIRST = "node"
#: The kind of runs that are engines: see :mod:`pilothouse.engines`.
SERVICE = "service"
#: What :attr:`PilotRecord.dashboard` begins with where it is a socket of the supervisor's host.
UNIX = "unix:"


class NodeRecord(BaseModel):
    """One batch job of a pilot, or its part on one host, with its Dask worker."""

    model_config = ConfigDict(extra="allow")

    name: str
    kind: str = FIRST
    state: State = State.PENDING
    reason: str = ""
    job: str = Field(default="", description="the batch system's id; empty while it has not answered")
    rank: int = Field(default=0, description="its place among the nodes of its job, whose names follow one another")
    host: str = ""
    pid: int = 0
    address: str = ""
    cores: int = 1
    gpus: int = 0
    since: datetime | None = Field(default=None, description="when it came into this state")
    submitted: datetime | None = None
    started: datetime | None = Field(default=None, description="when its job was first seen to run")
    connected: datetime | None = Field(default=None, description="when its worker was first there")
    ended: datetime | None = None
    expected_start: datetime | None = Field(default=None, description="by the batch system, while it is pending")
    ends: datetime | None = Field(default=None, description="when its walltime is over")
    exit_code: int | None = None
    leaving: bool = Field(default=False, description="it goes as soon as its replacement is there")
    role: Literal["node", "first", "successor"] = Field(
        default="node",
        description="'first': its job holds the supervisor too; 'successor': its job will, when that one ends",
    )

    @property
    def first(self) -> str:
        """The name of the first node of its job, which is the job's, too."""
        stem, _, number = self.name.rpartition("-")
        return f"{stem}-{int(number) - self.rank}" if self.rank else self.name

    @property
    def time_left(self) -> float | None:
        """Seconds until its walltime is over; None while that is not known."""
        return None if self.ends is None else max((self.ends - datetime.now(UTC)).total_seconds(), 0.0)


class Adapt(BaseModel):
    """Follow the load between these numbers of nodes."""

    minimum: int
    maximum: int


class ProcessRef(BaseModel):
    """A process that can be recognised again: a pid alone may have been given to another one."""

    host: str
    pid: int
    started: float = Field(description="creation time of the process, seconds since 1970")


class PilotRecord(Record):
    """One pilot."""

    site: str
    state: State = State.PENDING
    reason: str = ""
    created: datetime
    begun: datetime | None = Field(default=None, description="when its present supervisor was asked for")
    generation: int = Field(default=1, description="how many supervisors it has had")
    gave_up: str = Field(default="", description="why it has stopped trying to get more nodes")
    not_recovered: list[str] = Field(default_factory=list, description="what could not be gone on with")
    ended: datetime | None = None
    description: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict, description="the site, as it was at submission")
    nodes_wanted: int = 1
    wanted: dict[str, int] = Field(default_factory=dict, description="of each kind; their sum is `nodes_wanted`")
    nodes: list[NodeRecord] = Field(default_factory=list)
    next_node: int = 1
    adapt: Adapt | None = None
    supervisor: ProcessRef | None = None
    socket: str = Field(default="", description="the Unix socket of a supervisor on a login node")
    control: str = Field(default="", description="'tls://host:port' of a supervisor that other hosts can ask")
    scratch: str = ""
    scheduler: str = ""
    dashboard: str = Field(
        default="",
        description="where Dask's pages are: `UNIX` and a socket of the supervisor's host, or its `control`",
    )
    heartbeat: datetime | None = None
    lease_end: datetime | None = None
    idle_end: datetime | None = None

    @property
    def awaited(self) -> list[NodeRecord]:
        """The jobs that hold its supervisor, or will."""
        return [node for node in self.nodes if node.role != "node" and not node.state.ended]

    @property
    def left(self) -> list[NodeRecord]:
        """Of one that has ended: the nodes whose jobs may be left, for they could not be ended."""
        return [node for node in self.nodes if self.state is not State.LOST and node.state is State.LOST]

    @property
    def answers(self) -> bool:
        """Whether its supervisor can be asked."""
        return bool(self.socket or self.control)

    @property
    def sockets(self) -> list[Path]:
        """The Unix sockets of a supervisor on a login node."""
        dashboard = self.dashboard.removeprefix(UNIX) if self.dashboard.startswith(UNIX) else ""
        return [Path(path) for path in (self.socket, dashboard) if path]

    def forget_addresses(self) -> None:
        """Nobody answers at them any more."""
        self.socket = self.control = self.scheduler = self.dashboard = ""


class Progress(BaseModel):
    """How far a run is."""

    done: float
    total: float
    unit: str = ""


class RunRecord(Record):
    """One run."""

    kind: str
    pilot: str
    pilot_created: datetime | None = Field(default=None, description="which of the pilots that have had that name")
    state: State = State.STARTING
    reason: str = ""
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    progress: Progress | None = None
    resumed: int = Field(default=0, description="how often another supervisor has gone on with it")

    @property
    def what(self) -> str:
        """What people call it: its kind, and of a service its engine."""
        engine = self.parameters.get("engine") if self.kind == SERVICE else None
        return engine if isinstance(engine, str) else self.kind

    def is_on(self, pilot: PilotRecord) -> bool:
        """Whether it was launched on this very pilot, and not on an earlier one of the same name."""
        if self.pilot_created is None:  # of a version that did not note it
            return self.pilot == pilot.name and pilot.created <= self.created
        return (self.pilot, self.pilot_created) == (pilot.name, pilot.created)


PILOTS: Records[PilotRecord] = Records("pilots", PilotRecord)
RUNS: Records[RunRecord] = Records("runs", RunRecord)


def runs_on(pilot: PilotRecord) -> Iterator[RunRecord]:
    """The runs that were launched on this very pilot."""
    return (run for run in RUNS if isinstance(run, RunRecord) and run.is_on(pilot))
