"""A Dask cluster that somebody else started, as a pilot: its workers are theirs, and runs have nodes beside them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from pilothouse.engines.executors.offering import Offers
from pilothouse.errors import Conflict, InvalidInput, Lost, NotFound, Refused, Unavailable
from pilothouse.pictures import mimebundle
from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.state import check_name, utcnow
from pilothouse.waiting import wait_until

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

    from pilothouse.engines.service import Service
    from pilothouse.pilots.handle import Pilot
    from pilothouse.pilots.sites.description import PilotDescription
    from pilothouse.pilots.timeline import Timeline
    from pilothouse.runs.handle import Run
    from pilothouse.tasks.handle import Task
    from pilothouse.tasks.ranks.handle import Ranks

#: Seconds in which a scheduler has to answer.
ANSWER_S = 10.0


class AttachedPilot(Offers):
    """A Dask cluster of somebody else, with the words of a pilot: see :func:`attach_dask`.

    Attributes
    ----------
    companion
        The pilot of Pilothouse that has its runs; None until there is one.
    """

    def __init__(self, address: str, name: str, security: Security | None, description: PilotDescription) -> None:
        from distributed import Client

        from pilothouse.pilots.companion import find

        self.name = self._asked = name
        self.scheduler = address
        self._closed = False
        self._description = description
        try:
            # One that fails would stay Dask's default client, and all that is computed in this process fail with it.
            Client(address, security=security, timeout=ANSWER_S, set_as_default=False).close()
            self._client: Client = Client(address, security=security, timeout=ANSWER_S, name=f"pilothouse-{name}")
        except (OSError, TimeoutError, TypeError, ValueError) as error:
            raise Unavailable(
                f"address={address!r}: no Dask scheduler answers there ({error}); is it running, reachable from this "
                "host, and does it want security= (TLS)?",
                field="address",
            ) from error
        self._since = utcnow()
        self.companion: Pilot | None = find(name, str(self._client.scheduler_info(n_workers=0)["id"]))
        if self.companion is not None:
            self.name = self.companion.name

    @property
    def state(self) -> State:
        """``running``; ``pending`` without workers; ``lost`` when its scheduler has gone; ``finished`` once closed."""
        if self._closed:
            return State.FINISHED
        if self._client.status != "running":
            return State.LOST
        return State.RUNNING if self.nodes else State.PENDING

    @property
    def reason(self) -> str:
        """Why it is in that state, where there is something to say."""
        return {
            State.FINISHED: "closed; the cluster itself goes on",
            State.LOST: "its scheduler can't be reached",
            State.PENDING: "the cluster has no workers",
        }.get(self.state, "")

    @property
    def nodes(self) -> list[NodeRecord]:
        """A record each of the workers that the cluster has now; empty when it can't be asked."""
        if self._closed or self._client.status != "running":
            return []
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, TimeoutError):  # it went away while it was asked
            return []
        return [_node(address, worker) for address, worker in workers.items()]

    @property
    def dashboard(self) -> str:
        """Address of Dask's dashboard, as the cluster gives it."""
        return str(self._client.dashboard_link or "") if not self._closed else ""

    @property
    def record(self) -> PilotRecord:
        """The same as a record; nothing is written to disk."""
        nodes = self.nodes
        return PilotRecord(
            name=self.name, site="attached", state=self.state, reason=self.reason, created=self._since,
            nodes=nodes, nodes_wanted=len(nodes), scheduler=self.scheduler, dashboard=self.dashboard,
        )  # fmt: skip

    def client(self) -> Client:
        """A Dask client of the cluster; the same one at each call, the process's default client.

        Raises
        ------
        Lost
            It was closed, or its scheduler has gone.
        """
        if self.state.ended:
            raise Lost(f"the Dask cluster {self.name!r} is {self.state}: {self.reason}; ph.attach_dask() it again")
        return self._client

    def wait(self, nodes: int | None = None, timeout: float | None = None) -> AttachedPilot:
        """Wait until the cluster has `nodes` workers (1).

        Raises
        ------
        Lost
            It was closed, or its scheduler has gone.
        WaitTimeout
            `timeout` seconds passed.
        """
        wanted = 1 if nodes is None else nodes

        def done() -> bool:
            self.client()
            return len(self.nodes) >= wanted

        def what() -> tuple[str, float | None]:
            have = len(self.nodes)
            return f"{self.name}: {have} of {wanted} workers", have / wanted if wanted else None

        wait_until(done, what=what, goes_on="The cluster goes on.", timeout=timeout, interval=0.1)
        return self

    def close(self) -> None:
        """Let go of the cluster, which goes on, and so do the runs there. Closing twice is no error."""
        if not self._closed:
            self._client.close(timeout=2)
            self._closed = True

    def cancel(self, timeout: float = 60.0) -> AttachedPilot:
        """End the runs there, with their nodes and their supervisor; the cluster itself goes on.

        Raises as :meth:`pilothouse.Pilot.cancel`.
        """
        if self.companion is not None:
            self.companion.cancel(timeout)
        return self

    # ------------------------------------------------------------------ runs

    def supervised(self) -> Pilot:
        """The pilot of Pilothouse that has the runs here: its supervisor is on this host, its nodes beside the workers.

        It is started when it is first needed, or after it has ended: by then, it has its own idle time-out and lease.

        Raises
        ------
        Lost
            It was closed, or its scheduler has gone.
        Refused
            A supervisor can't reach the scheduler, or a worker can't have a node beside it: the message names it, what
            it lacks, and the remedy. Nothing was started.
        Conflict
            Something else that goes on has its name.
        """
        from pilothouse.pilots.companion import find, start

        client = self.client()
        if not self._goes_on():
            number = str(client.scheduler_info(n_workers=0)["id"])
            found = find(self._asked, number)
            try:
                self.companion = found or start(client, self.scheduler, self._asked, self._description)
            except Conflict:  # another process may have been quicker
                self.companion = find(self._asked, number)
                if self.companion is None:
                    raise
            self.name = self.companion.name
        return self._started("supervisor")

    def _goes_on(self) -> bool:
        try:
            return self.companion is not None and not self.companion.state.ended
        except NotFound:  # somebody removed it
            return False

    def execute(self, *arguments: Any, **options: Any) -> Task:
        """Run an executable beside a worker: :meth:`pilothouse.Pilot.execute`."""
        return self.supervised().execute(*arguments, **options)

    def map_execute(self, *arguments: Any, **options: Any) -> Task:
        """Run many: :meth:`pilothouse.Pilot.map_execute`."""
        return self.supervised().map_execute(*arguments, **options)

    def mpi(self, *arguments: Any, **options: Any) -> Ranks:
        """Run a function on MPI ranks beside the workers: :meth:`pilothouse.Pilot.mpi`."""
        return self.supervised().mpi(*arguments, **options)

    def start(self, *arguments: Any, **options: Any) -> Service:
        """Start a framework beside workers: :meth:`pilothouse.Pilot.start`."""
        return self.supervised().start(*arguments, **options)

    def launch(self, *arguments: Any, **options: Any) -> Run:
        """Start a run: :meth:`pilothouse.Pilot.launch`."""
        return self.supervised().launch(*arguments, **options)

    def run_cell(self, source: str, *, name: str = "cell") -> Any:
        """Run a cell on a node beside a worker: :meth:`pilothouse.Pilot.run_cell`."""
        return self.supervised().run_cell(source, name=name)

    def runs(self) -> list[Run]:
        """The runs that were launched here, the latest first."""
        return self.companion.runs() if self.companion is not None else []

    def events(self) -> list[dict[str, Any]]:
        """What happened when and why to the nodes and runs here."""
        return self.companion.events() if self.companion is not None else []

    def logs(self, node: str | None = None, tail: int = 200) -> str:
        """The last lines of the supervisor's log and of its nodes': :meth:`pilothouse.Pilot.logs`."""
        return self._started("logs").logs(node, tail)

    def timeline(self) -> Timeline:
        """What nodes and runs here did when: :meth:`pilothouse.Pilot.timeline`."""
        return self._started("timeline").timeline()

    def script(self, node: str | None = None) -> str:
        """The job script of a node beside a worker: :meth:`pilothouse.Pilot.script`."""
        return self._started("scripts").script(node)

    def cost(self) -> dict[str, float]:
        """What the nodes beside the workers have used; what the workers cost is the cluster's to know."""
        return self._started("cost").cost()

    def recover(self) -> AttachedPilot:
        """Go on with the runs here after their supervisor was lost: :meth:`pilothouse.Pilot.recover`."""
        self._started("supervisor").recover()
        return self

    def prolong(self, lease: str | timedelta) -> AttachedPilot:
        """Have the lease of the runs' pilot end later; how long workers last is the cluster's."""
        self._started("lease").prolong(lease)
        return self

    def _started(self, what: str) -> Pilot:
        if self.companion is None:
            raise Conflict(
                f"the Dask cluster {self.name!r} has no {what} of Pilothouse yet: its first run brings a supervisor",
                field="pilot",
            )
        return self.companion

    def _clusters(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: how many workers there are, and for how long, is the cluster's. Scale it: ``cluster.scale(4)``."""
        raise Refused(
            f"{self.name!r} is a Dask cluster of somebody else: how many workers it has, and for how long, is its own. "
            "Scale the cluster itself, such as cluster.scale(4): each worker that comes gets a node, and each that "
            "leaves takes its node along",
            field="nodes",
        )

    scale = extend = shrink = adapt = renew = _clusters

    def __enter__(self) -> AttachedPilot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"<AttachedPilot {self.name!r} at {self.scheduler}, {len(self.nodes)} nodes, {self.state}{reason}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle("pilot_mimebundle", self, text=repr(self))


def attach_dask(
    address: Any,
    *,
    name: str | None = None,
    security: Security | None = None,
    memory: str | None = None,
    idle_timeout: str | timedelta | None = None,
    lease: str | timedelta | None = None,
) -> AttachedPilot:
    """Use a Dask cluster that exists already (dask-jobqueue, Coiled, one started by hand) as a pilot.

    ``client()``, ``nodes``, ``state`` and ``wait()`` are the cluster's own. Runs and executables have a pilot of
    Pilothouse beside it, which the first of them starts: its supervisor is on this host, as that of any pilot, and one
    node is beside each worker, with as many cores. The runs outlive this process, as long as the cluster does;
    attached again under the same name, or by ``ph.attach(name)``, they are found again.

    Dask's tasks on the workers and what runs on the nodes share the cores of the hosts, and neither knows of the
    other: give one of them work at a time, or expect each to be slower. Whoever started the cluster keeps it: it is
    scaled, and ended, by its own means, and never by Pilothouse. A node goes with its worker and is not replaced; with
    the cluster the runs end. What follows the load or ends when it is idle there (``cluster.adapt()``, a scheduler's
    ``--idle-timeout``) sees Dask's tasks alone, and takes workers away that have runs beside them.

    Parameters
    ----------
    address
        Of its scheduler, such as ``"tls://10.0.0.1:8786"``; or a cluster or client object that has one.
    name
        To call it by, ``"dask"`` when left out, and with it the pilot that has its runs.
    security
        TLS, as for :class:`distributed.Client`; taken from a cluster object when left out. The supervisor gets it in a
        file of its own folder that is the user's alone.
    memory
        What a node may use, such as ``"4 GiB"``; when left out, half of its worker's memory limit. The worker keeps
        its own limit: together they may use one and a half times that.
    idle_timeout, lease
        Of the pilot that has the runs: as for :func:`pilothouse.submit`.

    Raises
    ------
    InvalidInput
        `address` is none, or another value can't be used.
    Unavailable
        No scheduler answers there.

    Examples
    --------
    >>> import pilothouse as ph
    >>> pilot = ph.attach_dask("tcp://127.0.0.1:8786")       # doctest: +SKIP
    >>> pilot.wait().client().submit(sum, [1, 2]).result()   # doctest: +SKIP
    3
    >>> pilot.execute(["hostname"]).wait().logs()            # doctest: +SKIP
    """
    from pilothouse.pilots.companion import describe

    where = address if isinstance(address, str) else getattr(address, "scheduler_address", None)
    if where is None:  # a client
        where = getattr(getattr(address, "scheduler", None), "address", None)
    if not isinstance(where, str) or not where:
        raise InvalidInput(
            f"address={address!r}: give a scheduler's address, such as 'tcp://host:8786', or a Dask cluster or client",
            field="address",
        )
    if security is None and not isinstance(address, str):
        security = getattr(address, "security", None)
    description = describe(memory=memory, idle_timeout=idle_timeout, lease=lease)
    return AttachedPilot(where, check_name(name or "dask"), security, description)


def _node(address: str, worker: dict[str, Any]) -> NodeRecord:
    status = str(worker.get("status", ""))
    return NodeRecord(
        name=str(worker.get("name") or address),
        state=State.RUNNING if status in ("running", "paused") else State.STARTING,
        reason="" if status == "running" else status,
        host=str(worker.get("host", "")),
        address=address,
        cores=int(worker.get("nthreads", 1)),
        gpus=int((worker.get("resources") or {}).get("GPU", 0)),
    )
