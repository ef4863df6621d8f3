"""Where pilots can be had: a site is a batch system with its limits, defaults and customs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from pilothouse.errors import InvalidInput
from pilothouse.pilots.description import Duration, Line, NodeKind, PilotDescription, Word

#: One line, which may be empty.
Text = Annotated[str, Field(pattern=r"^[^\r\n]*$")]
#: A Dask worker does not start with less.
LEAST_MEMORY = 64 * 2**20


class QueueLimits(BaseModel):
    """A queue (partition) of a batch system and what a job in it may have; None is no limit that is known."""

    model_config = ConfigDict(extra="forbid")

    name: Word
    walltime: Duration | None = Field(default=None, description="longest job, seconds")
    nodes: int | None = Field(default=None, description="the most nodes of a pilot")
    cores: int | None = Field(default=None, description="the most cores of a node")
    memory: ByteSize | None = Field(default=None, description="the most memory of a node")
    gpus: int | None = Field(default=None, description="the most GPUs of a node")
    features: list[str] = Field(default=[], description="what `constraint` may name")
    default: bool = Field(default=False, description="taken when a description names none")
    available: bool = Field(default=True, description="whether it takes jobs now")


class Site(BaseModel):
    """A batch system with its limits; what a site file may say, and what discovery finds."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    system: str = Field(description="batch system: 'local' starts processes of this computer, 'slurm', ...")
    title: str = Field(default="", description="one line for people")
    nodes: int | None = Field(default=None, ge=1, description="the most nodes of a pilot")
    cores: int | None = Field(default=None, ge=1, description="the most cores of a node")
    memory: ByteSize | None = Field(default=None, description="the most memory of a node")
    gpus: int | None = Field(default=None, ge=0, description="the most GPUs of a node")
    queues: list[QueueLimits] = Field(default=[], description="queues with their own limits")
    accounts: list[Word] = Field(default=[], description="accounts that users may name; any where empty")
    defaults: dict[str, Any] = Field(default={}, description="fields of a description, where the user leaves them out")
    fixed: list[str] = Field(default=[], description="fields of a description that users may not change")
    prologue: list[Line] = Field(default=[], description="shell lines before a node starts")
    epilogue: list[Line] = Field(default=[], description="shell lines after a node has ended")
    interface: Text = Field(default="", description="network interface between nodes and supervisor, such as 'ib0'")
    scratch: Text = Field(default="", description="folder for temporary files on a node, such as '$TMPDIR'")
    python: Text = Field(default="", description="interpreter on the nodes; the one in use where empty")
    launcher: Text = Field(default="", description="what starts MPI ranks, such as 'mpiexec'; found where empty")
    placement: Literal["login", "job"] = Field(default="login", description="where supervisors live")
    dashboard: bool = Field(
        default=True, description="whether Dask's dashboard may listen on the supervisor's loopback"
    )
    patience: Duration = Field(default=300.0, ge=0, description="seconds that nodes wait for a supervisor to come back")
    poll_least: float = Field(default=2.0, ge=0.1, description="seconds between two questions while something changes")
    poll_most: float = Field(default=30.0, ge=1, description="seconds between two questions while nothing changes")
    timeout: float = Field(default=20.0, ge=0.1, description="seconds that a batch command may take")
    source: str = Field(default="found on this host", description="where this is known from")

    def queue_named(self, name: str | None) -> QueueLimits | None:
        """The limits of queue `name`, of the default one where it is None; None when nothing is known."""
        for queue in self.queues:
            if queue.name == name or (name is None and queue.default):
                return queue
        return None

    def check(self, description: PilotDescription) -> PilotDescription:
        """`description` with what it leaves out filled in.

        Raises
        ------
        InvalidInput
            Naming the field, the value and the limit.
        """
        if description.account and self.accounts and description.account not in self.accounts:
            raise InvalidInput(
                f"account={description.account!r}: site {self.name!r} has {', '.join(self.accounts)}", field="account"
            )
        if self.system == "local":
            description = self._share(description)
        names = {"": "node", **{f"kinds.{name}.": name for name in description.kinds}}
        for prefix, name in names.items():
            self._check_kind(description.kind(name), prefix)
        self._limit("nodes", sum(description.wanted().values()), self.nodes, "")
        return description

    def _share(self, description: PilotDescription) -> PilotDescription:
        """A computer's memory is shared by all nodes on it."""
        if description.memory is None and self.memory is not None:
            share = self.memory // max(sum(description.wanted().values()), 2)
            return description.model_copy(update={"memory": ByteSize(share)})
        return description

    def _check_kind(self, kind: NodeKind, prefix: str) -> None:
        queue = self.queue_named(kind.queue)
        if kind.queue is not None and self.queues and queue is None:
            there = ", ".join(each.name for each in self.queues)
            raise InvalidInput(f"{prefix}queue={kind.queue!r}: site {self.name!r} has {there}", field=f"{prefix}queue")
        if queue is not None and not queue.available:
            raise InvalidInput(
                f"{prefix}queue={queue.name!r}: it takes no jobs now at site {self.name!r}", field=f"{prefix}queue"
            )
        for field in ("nodes", "cores", "memory", "gpus", "walltime"):
            limits = [getattr(self, field, None), getattr(queue, field, None) if queue else None]
            known = [limit for limit in limits if limit is not None]
            self._limit(field, getattr(kind, field), min(known, default=None), prefix, queue)
        if kind.memory is not None and kind.memory < LEAST_MEMORY:
            raise InvalidInput(
                f"{prefix}memory={kind.memory.human_readable()}: a Dask worker needs at least 64 MiB",
                field=f"{prefix}memory",
            )

    def _limit(
        self, field: str, value: float | None, limit: float | None, prefix: str, queue: QueueLimits | None = None
    ) -> None:
        if value is None or limit is None or value <= limit:
            return
        where = f"queue {queue.name!r} of site {self.name!r}" if queue else f"site {self.name!r}"
        raise InvalidInput(
            f"{prefix}{field}={_shown(field, value)}: {where} has at most {_shown(field, limit)}",
            field=f"{prefix}{field}",
        )


def _shown(field: str, value: float) -> str:
    if field == "memory":
        return ByteSize(value).human_readable()
    if field == "walltime":
        minutes = int(value) // 60
        return f"{minutes // 60}:{minutes % 60:02d}:{int(value) % 60:02d}"
    return f"{value:g}"
