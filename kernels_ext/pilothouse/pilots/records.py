"""The records of pilots and runs: what any process of the user can know about them without asking anybody."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pilothouse.state import Record, Records


class State(StrEnum):
    """States of pilots, nodes and runs, as far as each has them."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.FINISHED, State.FAILED, State.LOST)


class NodeRecord(BaseModel):
    """One batch job of a pilot, with its Dask worker."""

    model_config = ConfigDict(extra="allow")

    name: str
    state: State = State.PENDING
    reason: str = ""
    job: str = ""
    host: str = ""
    pid: int = 0
    address: str = ""
    since: datetime | None = None


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
    ended: datetime | None = None
    description: dict[str, Any] = Field(default_factory=dict)
    nodes_wanted: int = 1
    nodes: list[NodeRecord] = Field(default_factory=list)
    supervisor: ProcessRef | None = None
    socket: str = ""
    scratch: str = ""
    scheduler: str = ""
    dashboard: str = ""
    heartbeat: datetime | None = None
    lease_end: datetime | None = None
    idle_end: datetime | None = None


class Progress(BaseModel):
    """How far a run is."""

    done: float
    total: float
    unit: str = ""


class RunRecord(Record):
    """One run."""

    kind: str
    pilot: str
    state: State = State.STARTING
    reason: str = ""
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    progress: Progress | None = None


PILOTS: Records[PilotRecord] = Records("pilots", PilotRecord)
RUNS: Records[RunRecord] = Records("runs", RunRecord)
