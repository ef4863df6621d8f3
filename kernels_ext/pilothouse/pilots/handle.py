"""The handle of a pilot: the same from the kernel, the shell and the server, alive or ended."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pilothouse.engines.executors.offering import Offers
from pilothouse.engines.starting import Starts
from pilothouse.errors import Conflict, InvalidInput
from pilothouse.pictures import mimebundle
from pilothouse.pilots.awaiting import wait_for_end, wait_for_nodes
from pilothouse.pilots.node_texts import job_script_of, logs_of
from pilothouse.registry.dashboard_link import dashboard_link
from pilothouse.registry.folders import EVENTS
from pilothouse.registry.journal import Journal
from pilothouse.registry.listing import listed
from pilothouse.registry.liveness import clear_away, reconcile, seen
from pilothouse.registry.naming import Exist, remove
from pilothouse.registry.owning import check_same
from pilothouse.registry.records import FIRST, PILOTS, NodeRecord, PilotRecord, State, runs_on
from pilothouse.runs.handle import Run
from pilothouse.runs.launch import ANSWER_S, ask, launch
from pilothouse.tasks.executing import Executes
from pilothouse.tasks.ranks.call import MPI

if TYPE_CHECKING:
    from distributed import Client

    from pilothouse.pilots.timeline import Timeline


class Pilot(Executes, MPI, Offers, Starts):
    """One allocation that belongs to the user, with a name, a lease and nodes that come and go.

    Parameters
    ----------
    name
        Of a pilot that exists; :func:`pilothouse.submit` makes one, :func:`pilothouse.attach` finds one.

    Raises
    ------
    NotFound
        No pilot has that name.
    """

    def __init__(self, name: str) -> None:
        self._created = PILOTS.read(name).created
        self.name = name
        self._client: Client | None = None

    # ------------------------------------------------------------------ what it is

    def _read(self) -> PilotRecord:
        """The pilot's record as it is written; :class:`NotFound` once it was removed, whatever has its name then."""
        return check_same(PILOTS.read(self.name), self._created)

    @property
    def record(self) -> PilotRecord:
        """What is known of the pilot at this moment.

        Raises
        ------
        NotFound
            The pilot was removed.
        """
        return seen(self._read())

    @property
    def site(self) -> str:
        """Where its nodes come from."""
        return self.record.site

    @property
    def state(self) -> State:
        """``pending``, ``starting``, ``running``, ``draining``, ``finished``, ``failed`` or ``lost``."""
        return self.record.state

    @property
    def reason(self) -> str:
        """Why it is in that state, where there is something to say."""
        return self.record.reason

    @property
    def nodes(self) -> list[NodeRecord]:
        """A record each of the nodes: name, state, reason, job, host, pid, since."""
        return self.record.nodes

    @property
    def dashboard(self) -> str:
        """Where Dask's dashboard is; empty while there is none.

        In a notebook a path on the Jupyter server, such as ``/user/alice/pilothouse/pilots/NAME/dashboard/status``:
        opened like all its pages. Elsewhere ``unix:PATH``, a socket on the supervisor's host that is yours alone,
        for ``ssh -L 8787:PATH HOST``; empty on other hosts and where the supervisor is in a job.
        """
        return dashboard_link(self.record)

    def events(self) -> list[dict[str, Any]]:
        """What happened when and why."""
        return Journal(PILOTS.folder(self._read().name) / EVENTS).read()

    def logs(self, node: str | None = None, tail: int = 200) -> str:
        """The last lines of the supervisor's log and of each node's (or of `node`'s alone).

        Of a node that waits, why it does. ``"supervisor"`` is the supervisor's, also where it is in a job.

        Raises
        ------
        NotFound
            The pilot never had such a node.
        """
        return logs_of(self._read(), node, tail)

    def runs(self) -> list[Run]:
        """The runs that were launched on it, the latest first."""
        return list(listed(runs_on(self._read()), Run))

    # ------------------------------------------------------------------ what can be done

    def wait(self, nodes: int | None = None, timeout: float | None = None) -> Pilot:
        """Wait until `nodes` nodes are running, by default all that are wanted.

        Raises
        ------
        Failed, Lost
            The pilot ended instead, or has stopped trying to get more nodes; the message says why.
        WaitTimeout
            `timeout` seconds passed; the pilot goes on.
        """
        wait_for_nodes(self.name, self._read, nodes, timeout)
        return self

    def scale(self, nodes: int | None = None) -> Pilot:
        """Keep `nodes` nodes running from now on; without a number as many as now, which ends :meth:`adapt`."""
        self._ask("scale", nodes=None if nodes is None else _count(nodes, 0))
        return self

    def extend(self, n: int | None = None, *, kind: str = FIRST, walltime: str | timedelta | None = None) -> Pilot:
        """Add `n` nodes, by default one (where a job has several, those of one job); returns at once.

        Parameters
        ----------
        kind
            Of which kind, for a pilot that has several.
        walltime
            Of the nodes of this kind that are submitted from now on: ``"2h"``, or as the site's users write it.
        """
        length = None if walltime is None else self._seconds("walltime", walltime)
        self._ask("scale", by=self._several(n), kind=kind, walltime=length)
        return self

    def shrink(self, n: int | None = None, *, kind: str = FIRST) -> Pilot:
        """Give `n` nodes back, by default as :meth:`extend`: pending ones first; data on a running one moves first."""
        self._ask("scale", by=-self._several(n), kind=kind)
        return self

    def renew(self) -> Pilot:
        """Replace each node by a new one before its walltime is over, one after the other; returns at once.

        A node goes when its replacement is there, and what it holds moves first. A pilot with ``replace="always"``
        does so by itself. The node in the supervisor's own job (placement ``"job"``) stays until its successor comes.
        """
        self._ask("renew")
        return self

    def prolong(self, lease: str | timedelta) -> Pilot:
        """Have the pilot's lease end later by this time, such as ``"2h"``.

        Nodes go on to their own walltime and are replaced then, as ever; the idle time-out stays.

        Raises
        ------
        InvalidInput
            The pilot would be longer than the site gives one in all.
        """
        self._ask("prolong", lease=self._seconds("lease", lease))
        return self

    def adapt(self, minimum: int = 0, maximum: int = 4) -> Pilot:
        """Follow the load between `minimum` and `maximum` nodes, until the pilot is scaled by hand: :meth:`scale`.

        More nodes come at once; fewer only after some calm, and no job is given back before it has been there for
        as long as it took to get. Where a pilot has several kinds, those of the description's own fields come and go.
        """
        self._ask("adapt", minimum=_count(minimum, 0), maximum=_count(maximum, 1))
        return self

    def recover(self) -> Pilot:
        """Go on with a lost pilot: a new supervisor under the same name, from what the old one had committed.

        Jobs that still run are adopted, the set-point is restored, and runs that can go on do; ``not_recovered``
        lists what could not be.

        Raises
        ------
        Conflict
            The pilot is not lost, its lease is over, or somebody else is recovering it.
        """
        from pilothouse.pilots.supervisor.recovery import recover

        self._close_client()
        recover(self._read().name)
        return self

    @property
    def not_recovered(self) -> list[str]:
        """What its present supervisor could not go on with, a line each."""
        return self.record.not_recovered

    def script(self, node: str | None = None) -> str:
        """The job script of `node` (or of the ``"supervisor"``), or the one that the next node would be submitted with.

        Nodes that were submitted together, as a job array, have one script.

        Raises
        ------
        NotFound
            The pilot never had such a node.
        """
        return job_script_of(self.record, node)

    def cost(self) -> dict[str, float]:
        """What the pilot has used so far.

        Returns
        -------
        dict
            ``node_hours``, ``core_hours``, ``gpu_hours``, and ``queue_hours``, which its jobs spent waiting.
        """
        from pilothouse.registry.history import cost

        return cost(self.record)

    def timeline(self) -> Timeline:
        """What nodes, runs and supervisors did when: a picture in a cell, ``.figure()`` for Bokeh, text elsewhere."""
        from pilothouse.pilots.timeline import timeline

        return timeline(self.record)

    def cancel(self, timeout: float = 60.0) -> Pilot:
        """End the pilot and its runs; returns when everything has ended. Ending an ended pilot is no error.

        Of a lost pilot, the jobs that it has left are ended and what it had is removed: it can't be recovered then.
        Jobs that an ended one could not end are told again.

        Raises
        ------
        Refused
            The batch system does not end such jobs.
        Unavailable
            Its supervisor could not be told, as far as is known, and it has not ended by itself.
        WaitTimeout
            It is ending, and has not ended after `timeout` seconds.
        """
        self._close_client()
        record = reconcile(self._read())
        lost = record.state is State.LOST or (record.state.ended and record.left)
        if lost or (record.supervisor is None and record.awaited):
            from pilothouse.pilots.supervisor.orphans import end_for_good

            end_for_good(record)
        if not self.state.ended:
            wait_for_end(self.name, lambda: self._ask("cancel"), lambda: self.state.ended, timeout)
        return self

    def remove(self) -> None:
        """Remove the pilot for good, with its logs and its history. Its runs stay, with their results.

        Its name can be used again; this handle, and others of this pilot, find nothing any more. Of a lost pilot, the
        jobs that it has left are ended first, and nothing can be recovered after that.

        Raises
        ------
        Conflict
            It goes on.
        """
        record = reconcile(self._read())
        if not record.state.ended:
            raise Conflict(
                f"the pilot {self.name!r} is {record.state}: end it first, ph.attach({self.name!r}).cancel()",
                field="name",
            )
        if record.state is State.LOST:
            self.cancel()
            clear_away(record)
        remove(PILOTS, record)

    def _close_client(self) -> None:
        if self._client is not None:
            logger = logging.getLogger("distributed.client")
            level = logger.level
            logger.setLevel(logging.CRITICAL)  # that a scheduler has gone is known, and no news
            try:
                with contextlib.suppress(TimeoutError):
                    self._client.close(timeout=1)
            finally:
                logger.setLevel(level)
            self._client = None

    def client(self) -> Client:
        """A Dask client of the pilot (over TLS); the same one at each call, the process's default client.

        Raises
        ------
        Failed, Lost
            The pilot has ended.
        """
        if self._client is None or self._client.status != "running":
            from pilothouse.runs.dask import client_of

            self.wait(nodes=0, timeout=ANSWER_S)
            self._client = client_of(self._read())
        return self._client

    def run_cell(self, source: str, *, name: str = "cell") -> Any:
        """Run Python `source` on a node, as a cell: what it prints comes at once, then its last expression's value.

        It has a namespace of its own, and sees nothing of this process. A value that does not pickle comes as text.

        Parameters
        ----------
        name
            How tracebacks call it.

        Raises
        ------
        BaseException
            What `source` raised, ``SystemExit`` too.
        Failed
            It ended its node, as a segmentation fault does; no other node is tried.
        """
        from pilothouse.pilots.node.cells import run_cell

        goes_on = f"What has begun on {self.name!r} runs to its end; ph.attach({self.name!r}).cancel() ends it."
        passing = self._client is None
        try:
            return run_cell(self.client(), source, f"{name} on {self.name}", goes_on)
        finally:
            if passing:  # nobody else has it
                self._close_client()

    def launch(
        self, kind: str, parameters: dict[str, Any], *, name: str | None = None,
        files: Mapping[str, bytes | Sequence[memoryview]] | None = None, exist: Exist = "number",
        stem: str | None = None,
    ) -> Run:  # fmt: skip
        """Start a run of `kind` here: what the functions of the rooms call, and plug-ins.

        Parameters
        ----------
        kind
            An entry point of the group ``pilothouse.runs``.
        parameters
            JSON; readable in the record, so no secrets.
        name
            One that no other pilot or run of the user has; made from `stem`, or the kind, when left out.
        files
            File name -> contents, whole or in pieces, put into the run's folder (mode 0600) before it starts.
        exist
            What happens when something that has ended has that name, which stays: ``"number"`` makes this one
            ``name-2`` and warns, ``"error"`` refuses.

        Raises
        ------
        Conflict
            Something that goes on has that name.
        Unavailable, Failed, Lost
            The pilot can't take it. Nothing is left behind.
        """
        self.wait(nodes=0, timeout=ANSWER_S)
        return launch(self._read(), kind, parameters, name=name, files=files, exist=exist, stem=stem)

    def _several(self, n: int | None) -> int:
        return _count(self._read().settings.get("nodes_per_job", 1) if n is None else n, 1)

    def _seconds(self, field: str, value: object) -> float:
        from pilothouse.pilots.sites.description import seconds_of

        return seconds_of(field, value, self._read().settings.get("system", ""))

    def _ask(self, op: str, **arguments: Any) -> Any:
        return ask(self.name, self._created, op, **arguments)

    def __enter__(self) -> Pilot:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        record = self.record
        running = sum(node.state is State.RUNNING for node in record.nodes)
        reason = f": {record.reason.splitlines()[0]}" if record.reason else ""
        return (
            f"<Pilot {record.name!r} on {record.site}, {running}/{record.nodes_wanted} nodes, {record.state}{reason}>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any] | None:
        return mimebundle("pilot_mimebundle", self, text=repr(self))


def _count(n: int, least: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < least:
        raise InvalidInput(f"n={n!r}: a whole number, {least} or more", field="nodes")
    return n
