"""Where pilots can be had: a site is a batch system with its limits, defaults and customs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pilothouse.pilots.sites.description import Duration, Line, Size, Word

#: One line, which may be empty.
Text = Annotated[str, Field(pattern=r"^[^\r\n]*$")]
#: The system of the pilots that are attached to a Dask cluster. Nothing registers it: no site file can name it.
DASK = "dask"
#: Variables that say which installation of a batch system its commands mean.
MEANT_BY = (
    "SLURM_CONF", "SLURM_CLUSTERS", "SGE_", "OAR", "PBS_", "LSF_", "CONDOR_", "_CONDOR_", "HADOOP_CONF_DIR",
    "HADOOP_USER_NAME",
)  # fmt: skip


#: Batch systems that take a list of queues for one job.
TAKES_SEVERAL = ("slurm", "gridengine")


class QueueLimits(BaseModel):
    """A queue (partition) of a batch system and what a job in it may have; None is no limit that is known."""

    # A record that a newer version wrote may have more; typing errors in site files are found in site_files.
    model_config = ConfigDict(extra="ignore")

    name: Word
    walltime: Duration | None = Field(default=None, description="longest job, seconds")
    nodes: int | None = Field(default=None, ge=0, description="the most nodes of a pilot")
    cores: int | None = Field(default=None, ge=0, description="the most cores of a node")
    memory: Size | None = Field(default=None, description="the most memory of a node")
    gpus: int | None = Field(default=None, ge=0, description="the most GPUs of a node")
    features: list[str] = Field(default=[], description="what `constraint` may name")
    default: bool = Field(default=False, description="taken when a description names none")
    available: bool = Field(default=True, description="whether it takes jobs now")


class Site(BaseModel):
    """A batch system with its limits; what a site file may say, and what discovery finds."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    system: str = Field(description="batch system: 'local' starts processes of this computer, 'slurm', ...")
    title: Text = Field(default="", description="one line for people")
    nodes: int | None = Field(default=None, ge=1, description="the most nodes of a pilot")
    cores: int | None = Field(default=None, ge=1, description="the most cores of a node")
    memory: Size | None = Field(default=None, description="the most memory of a node")
    gpus: int | None = Field(default=None, ge=0, description="the most GPUs of a node")
    walltime: Duration | None = Field(default=None, ge=30, description="longest job, seconds")
    lease: Duration | None = Field(default=None, ge=1, description="longest lease of a pilot, seconds")
    idle_timeout: Duration | None = Field(default=None, ge=1, description="longest time without work, seconds")
    queues: list[QueueLimits] = Field(default=[], description="queues with their own limits")
    accounts: list[Word] = Field(default=[], description="accounts that users may name; any where empty")
    defaults: dict[str, Any] = Field(default={}, description="fields of a description, where the user leaves them out")
    fixed: list[str] = Field(default=[], description="fields of a description that users may not change")
    prologue: list[Line] = Field(default=[], description="shell lines before a node starts")
    epilogue: list[Line] = Field(default=[], description="shell lines after a node has ended")
    interface: Text = Field(default="", description="network interface between nodes and supervisor, such as 'ib0'")
    login_interface: Text = Field(
        default="", description="the supervisor's on a login node, where it has another name there; else `interface`"
    )
    scratch: Text = Field(default="", description="folder for temporary files on a node, such as '$TMPDIR'")
    python: Text = Field(default="", description="interpreter on the nodes; the one in use where empty")
    conf_dir: Text = Field(
        default="", description="for yarn: folder of Hadoop's configuration; $HADOOP_CONF_DIR where empty"
    )
    launcher: Text = Field(default="", description="what starts MPI ranks, such as 'mpiexec'; found where empty")
    placement: Literal["login", "job"] = Field(default="login", description="where supervisors live")
    dashboard: bool = Field(default=True, description="whether there are Dask's dashboards, and engines' own pages")
    engines: list[Word] | None = Field(
        default=None, description="engines that pilots may start; all that are installed where that is left out"
    )
    nodes_per_job: int = Field(default=1, ge=1, description="nodes that come in one job, each on a host of its own")
    job_arrays: bool = Field(
        default=True, description="whether nodes are submitted many at once, as job arrays, where the system has them"
    )
    patience: Duration = Field(default=300.0, ge=0, description="seconds that nodes wait for a supervisor to come back")
    start_timeout: Duration = Field(default=60.0, ge=1, description="seconds from a job's start to its worker")
    drain: Duration = Field(default=60.0, ge=1, description="seconds that a node may take to hand over what it has")
    grace: Duration = Field(default=5.0, ge=0, description="seconds that the batch system leaves a job it tells to end")
    poll_least: float = Field(default=2.0, ge=0.1, description="seconds between two questions while something changes")
    poll_most: float = Field(default=30.0, ge=1, description="seconds between two questions while nothing changes")
    timeout: float = Field(default=20.0, ge=0.1, description="seconds that a batch command may take")
    source: str = Field(default="found on this host", description="where this is known from")
    trouble: str = Field(default="", description="why nothing can be submitted now; empty when it can")

    def queue_named(self, name: str | None) -> QueueLimits | None:
        """The limits of queue `name`, of the default one where it is None; None when nothing is known.

        Of several, such as ``"normal,short"``, the widest: a job starts in the one that it fits into.
        """
        for queue in self.queues:
            if queue.name == name or (name is None and queue.default):
                return queue
        parts = name.split(",") if name and self.system in TAKES_SEVERAL else []
        several = [queue for queue in self.queues if queue.name in parts]
        return _widest(name, several) if name and len(parts) > 1 and len(several) == len(set(parts)) else None

    def limit(self, field: str, queue: QueueLimits | None = None) -> float | None:
        """The most that `field` of a description may be, in `queue` where one is given; None is no limit."""
        limits = [getattr(self, field, None), getattr(queue, field, None)]
        return min((limit for limit in limits if limit is not None), default=None)


def _widest(name: str, queues: list[QueueLimits]) -> QueueLimits:
    """What a job may have that may run in any of these queues, of those that take jobs now."""
    there = [queue for queue in queues if queue.available] or queues

    def most(field: str) -> Any:
        limits = [getattr(queue, field) for queue in there]
        return None if None in limits else max(limits)

    return QueueLimits.model_construct(
        name=name,
        **{field: most(field) for field in ("walltime", "nodes", "cores", "memory", "gpus")},
        features=sorted({feature for queue in there for feature in queue.features}),
        available=any(queue.available for queue in queues),
    )
