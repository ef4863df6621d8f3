"""A Dask cluster that somebody else started, as a pilot without a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilothouse.errors import InvalidInput, Lost, Unavailable
from pilothouse.pictures import mimebundle
from pilothouse.registry.records import NodeRecord, PilotRecord, State
from pilothouse.state import check_name, utcnow
from pilothouse.waiting import wait_until

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

#: Seconds in which a scheduler has to answer.
ANSWER_S = 10.0

#: What a pilot of ours can do and this one can't, because it has no supervisor.
_NEEDS_SUPERVISOR = frozenset({
    "adapt", "cost", "events", "execute", "extend", "launch", "logs", "map_execute", "prolong", "recover", "renew",
    "run_cell", "runs", "scale", "script", "shrink", "timeline",
})  # fmt: skip


class AttachedPilot:
    """A Dask cluster of somebody else, with the words of a pilot: see :func:`attach_dask`."""

    def __init__(self, address: str, name: str, security: Security | None = None) -> None:
        from distributed import Client

        self.name = name
        self.scheduler = address
        self._closed = False
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
        """Let go of the cluster, which goes on. Closing twice is no error."""
        if not self._closed:
            self._client.close(timeout=2)
            self._closed = True

    def no_runs(self) -> InvalidInput:
        """The error for who wants a run here."""
        return InvalidInput(
            f"pilot={self.name!r} is a Dask cluster that was attached: runs and executables need a supervisor and "
            "nodes of Pilothouse, which it has not. Use its client(), or ph.submit() a pilot.",
            field="pilot",
        )

    def __getattr__(self, name: str) -> Any:
        if name in _NEEDS_SUPERVISOR:
            raise AttributeError(
                f"an attached Dask cluster has no {name}(): Pilothouse did not start it and has no supervisor there. "
                "Use its client(), or ph.submit() a pilot."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __enter__(self) -> AttachedPilot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"<AttachedPilot {self.name!r} at {self.scheduler}, {len(self.nodes)} nodes, {self.state}{reason}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle("pilot_mimebundle", self, text=repr(self))


def attach_dask(address: Any, *, name: str | None = None, security: Security | None = None) -> AttachedPilot:
    """Use a Dask cluster that exists already (dask-gateway, Coiled, one started by hand) as a pilot without a queue.

    It has ``client()``, ``nodes``, ``state``, ``wait()`` and its view in a cell. What needs a supervisor of Pilothouse
    (runs, executables, scaling, recovery) it has not: whoever started the cluster keeps it.

    Parameters
    ----------
    address
        Of its scheduler, such as ``"tls://10.0.0.1:8786"``; or a cluster or client object that has one.
    name
        To call it by, ``"dask"`` when left out. It is in no list: it ends with this process or :meth:`close`.
    security
        TLS, as for :class:`distributed.Client`; taken from a cluster object when left out.

    Raises
    ------
    InvalidInput
        `address` is none.
    Unavailable
        No scheduler answers there.

    Examples
    --------
    >>> import pilothouse as ph
    >>> pilot = ph.attach_dask("tcp://127.0.0.1:8786")       # doctest: +SKIP
    >>> pilot.wait().client().submit(sum, [1, 2]).result()   # doctest: +SKIP
    3
    """
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
    return AttachedPilot(where, check_name(name or "dask"), security)


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
