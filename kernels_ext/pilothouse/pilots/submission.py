"""Make pilots and find them again: what ``pilothouse.submit``, ``attach`` and ``pilots`` are."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pilothouse.errors import Conflict, InvalidInput, NotFound
from pilothouse.pilots.attached import AttachedPilot
from pilothouse.pilots.handle import Pilot
from pilothouse.registry.listing import Handles, listed
from pilothouse.registry.liveness import reconcile, reconcile_run
from pilothouse.registry.naming import Exist, check_exist, claim, numbered, remove
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, State
from pilothouse.registry.store import Unreadable
from pilothouse.runs.handle import Run
from pilothouse.state import check_name, utcnow

#: Seconds that a name may be taken before its record is there.
QUICKER_S = 1.0


def submit(
    site: str = "local",
    *,
    name: str | None = None,
    exist: Exist = "number",
    nodes: int | None = None,
    cores: int | None = None,
    memory: str | None = None,
    gpus: int | None = None,
    walltime: str | timedelta | None = None,
    queue: str | None = None,
    account: str | None = None,
    constraint: str | None = None,
    exclusive: bool | None = None,
    directives: Sequence[str] | None = None,
    environment: Mapping[str, Any] | None = None,
    scratch: str | None = None,
    idle_timeout: str | timedelta | None = None,
    lease: str | timedelta | None = None,
    replace: str | None = None,
    placement: str | None = None,
    kinds: Mapping[str, Mapping[str, Any]] | None = None,
    **others: Any,
) -> Pilot:
    """Ask for a pilot; returns its handle at once. What is left out is as the site's defaults say.

    Parameters
    ----------
    site
        One of :func:`pilothouse.sites`.
    name
        One that no other pilot or run of the user has; made from the site when left out.
    exist
        What happens when something that has ended has that name, which stays: ``"number"`` makes this one ``name-2``
        and warns, ``"error"`` refuses.
    nodes
        How many nodes to keep running; each is one batch job and holds one Dask worker. 1; at a site whose jobs have
        several nodes (``nodes_per_job``), those of one job, and whole jobs only.
    cores
        Cores of a node, and threads of its worker. 1.
    memory
        Of a node, such as ``"4 GiB"``, or as the site's users write it: ``"4G"`` is that on Slurm. When left out, what
        the batch system gives its job; on ``local``, an equal share of the host's.
    gpus
        Of a node; its worker has as many of Dask's resource ``GPU``.
    walltime
        Of each node's job: ``"2h30m"``, ``"02:30:00"``, a timedelta, or as the site's users write it: ``"5:00"`` is
        five minutes on Slurm and PBS, five hours on LSF.
    queue, account, constraint, exclusive, directives
        For the batch system: its queue (partition), who pays (``project=`` is the same), features of nodes, nodes of
        one's own, and further lines of the job script's header. Slurm and Grid Engine take several queues,
        ``"normal,short"``.
    environment
        ``{"modules": [...], "conda": name, "venv": folder, "variables": {...}}``: what jobs set up first.
    scratch
        Folder for a node's temporary files, such as ``"$TMPDIR"``.
    idle_timeout, lease
        The pilot ends after this time without work (``"30min"``), and after this time in any case (``"12h"``).
    replace
        What happens to nodes that end: ``"always"`` they are replaced, before their walltime too; only when they
        ``"failed"``; ``"never"``.
    placement
        Where the supervisor lives: ``"login"``, this host; ``"job"``, inside the first node's batch job.
    kinds
        More kinds of nodes, by name: ``{"gpu": {"nodes": 1, "gpus": 2, "queue": "gpu"}}``.

    Raises
    ------
    InvalidInput
        A value can't be used; nothing was started.
    Conflict
        Something that goes on has that name.
    Refused, Unavailable
        With placement ``"job"``: the batch system said no, or nothing. Else the pilot's ``reason`` says so.

    Examples
    --------
    >>> import pilothouse as ph
    >>> pilot = ph.submit("local", nodes=2)             # doctest: +SKIP
    >>> pilot.wait().client().submit(sum, [1, 2]).result()  # doctest: +SKIP
    3
    """
    # Whoever only attaches does without these.
    from pilothouse.pilots.queues.discovery import describe
    from pilothouse.pilots.sites.interfaces import supervisor_address
    from pilothouse.pilots.supervisor.launching import launch_here, launch_in_job

    asked = {
        "site": site, "name": name, "nodes": nodes, "cores": cores, "memory": memory, "gpus": gpus,
        "walltime": walltime, "queue": queue, "account": account, "constraint": constraint, "exclusive": exclusive,
        "directives": directives, "environment": environment, "scratch": scratch, "idle_timeout": idle_timeout,
        "lease": lease, "replace": replace, "placement": placement, "kinds": kinds,
    }  # fmt: skip
    description, found = describe(**{field: value for field, value in asked.items() if value is not None}, **others)
    in_job = (description.placement or found.placement) == "job" and found.system != "local"
    if not in_job and (found.interface or found.login_interface):
        supervisor_address(found, in_job=False)  # this host has it, or nothing is started
    stored = description.model_dump(mode="json", exclude={"name", "site"})
    now = utcnow()
    record = claim(
        PILOTS, name, found.name, lambda chosen: PilotRecord(
            name=chosen, site=found.name, created=now, begun=now, description=stored,
            settings=found.model_dump(mode="json"), wanted=description.wanted(),
            nodes_wanted=sum(description.wanted().values()), reason="the supervisor is starting",
            lease_end=now + timedelta(seconds=description.lease),
        ), exist,
    )  # fmt: skip
    try:
        if in_job:
            launch_in_job(record)
        else:
            launch_here(record.name)
    except BaseException:
        remove(PILOTS, record)
        raise
    if "ipykernel" in sys.modules:
        threading.Thread(target=_import_views, name="pilothouse-views", daemon=True).start()
    return Pilot(record.name)


def _import_views() -> None:
    """In a notebook: import what will show the first run while its pilot starts."""
    with contextlib.suppress(ImportError):
        importlib.import_module("pilothouse_widgets.run_view")


def pilots() -> Handles[Pilot]:
    """The user's pilots, the latest first, whichever process started them.

    Records that can't be read are in the list's ``unreadable``, and shown with it.
    """
    found = [record if isinstance(record, Unreadable) else reconcile(record) for record in PILOTS]
    return listed(found, Pilot)


def attach(name: str) -> Pilot | Run:
    """The pilot or the run of that name, from any process, with its history.

    Raises
    ------
    NotFound
        There is neither.
    """
    with contextlib.suppress(NotFound):
        reconcile(PILOTS.read(name))
        return Pilot(name)
    with contextlib.suppress(NotFound):
        reconcile_run(RUNS.read(name))
        return Run(name)
    known = sorted(path.stem for records in (PILOTS, RUNS) for path in records.root.glob("[!.]*.json"))
    there = f"there are {', '.join(known)}" if known else "there are none"
    raise NotFound(f"name={name!r}: no pilot or run has that name; {there}", field="name")


def pilot_for(pilot: Pilot | AttachedPilot | str | None, run: str | None = None, exist: Exist = "number") -> Pilot:
    """The pilot that a function's ``pilot=`` means: a handle, a name, or None for the default one.

    Parameters
    ----------
    run, exist
        The name that a run is to have there, and what if it is taken: what can't be is refused before a pilot is
        started for it.

    Raises
    ------
    InvalidInput
        `pilot` is something else, or `run` can't be a name.
    NotFound
        There is no pilot of that name.
    """
    if run is not None:
        check_name(run)
    check_exist(exist)
    if pilot is None:
        return default_pilot()
    if isinstance(pilot, str):
        return Pilot(check_name(pilot, field="pilot"))
    if isinstance(pilot, Pilot):
        return pilot
    if isinstance(pilot, AttachedPilot):
        return pilot.supervised()
    raise InvalidInput(f"pilot={pilot!r}: give a pilot, its name, or leave it out", field="pilot")


def default_pilot() -> Pilot:
    """The pilot that is used where none is given: ``local`` (``local-2`` … once that has ended), started if need be."""
    for name in numbered("local"):
        if RUNS.path(name).exists():
            continue
        if not PILOTS.path(name).exists():
            try:
                return submit("local", name=name, nodes=2, exist="error")
            except Conflict:  # another process is quicker: its record is there in a moment
                deadline = time.monotonic() + QUICKER_S
                while not PILOTS.path(name).exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
        with contextlib.suppress(NotFound):
            pilot = Pilot(name)
            if not pilot.state.ended and pilot.state is not State.DRAINING:
                return pilot
    raise AssertionError("numbers have no end")
