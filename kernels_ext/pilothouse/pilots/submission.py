"""Make pilots and find them again: what ``pilothouse.submit``, ``attach`` and ``pilots`` are."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path

from pilothouse.errors import Conflict, InvalidInput, NotFound, Unavailable
from pilothouse.pilots.alive import scratch_folder
from pilothouse.pilots.handle import Pilot
from pilothouse.pilots.listing import Handles, listed
from pilothouse.pilots.naming import claim, forget
from pilothouse.pilots.records import PILOTS, RUNS, PilotRecord, State
from pilothouse.pilots.run import Run
from pilothouse.pilots.site import describe
from pilothouse.state import check_name, utcnow


def submit(
    site: str = "local",
    *,
    name: str | None = None,
    nodes: int = 1,
    cores: int = 1,
    memory: str | int | None = None,
    idle_timeout: str | float = "30min",
    lease: str | float = "12h",
) -> Pilot:
    """Ask for a pilot; returns its handle at once.

    Parameters
    ----------
    site
        One of :func:`pilothouse.sites`.
    name
        Unique among the user's live pilots; made from the site when left out.
    nodes
        How many nodes to keep running; each holds one Dask worker.
    cores
        Threads of a node's worker.
    memory
        Of a node: bytes, or text such as ``"4 GiB"``; an equal share of the host's when left out.
    idle_timeout, lease
        The pilot ends after this time without work, and after this time in any case: seconds, or ``"30min"``.

    Raises
    ------
    InvalidInput
        A value can't be used; nothing was started.
    Conflict
        A live pilot has that name.

    Examples
    --------
    >>> import pilothouse as ph
    >>> pilot = ph.submit("local", nodes=2)             # doctest: +SKIP
    >>> pilot.wait().client().submit(sum, [1, 2]).result()  # doctest: +SKIP
    3
    """
    description, found = describe(
        site=site, name=name, nodes=nodes, cores=cores, memory=memory, idle_timeout=idle_timeout, lease=lease
    )
    stored = description.model_dump(mode="json", exclude={"name", "site"})
    record = claim(
        PILOTS, name, found.name, lambda chosen: PilotRecord(
            name=chosen, site=found.name, created=utcnow(), description=stored, nodes_wanted=description.nodes,
            reason="the supervisor is starting",
        )
    )  # fmt: skip
    try:
        with Path(PILOTS.folder(record.name), "supervisor.log").open("ab") as log:
            subprocess.run(
                [sys.executable, "-m", "pilothouse.pilots.detach", record.name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": _search_path(),
                    "DASK_TEMPORARY_DIRECTORY": str(scratch_folder(record.name)),
                },
                check=True,
            )
    except (OSError, subprocess.CalledProcessError) as error:
        forget(PILOTS, record.name)
        raise Unavailable(f"the supervisor can't be started: {error}") from None
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
    return listed(PILOTS, Pilot)


def attach(name: str) -> Pilot | Run:
    """The pilot or the run of that name, from any process, with its history.

    Raises
    ------
    NotFound
        There is neither.
    """
    for handle in (Pilot, Run):
        with contextlib.suppress(NotFound):
            return handle(name)
    known = sorted(path.stem for records in (PILOTS, RUNS) for path in records.root.glob("[!.]*.json"))
    there = f"there are {', '.join(known)}" if known else "there are none"
    raise NotFound(f"name={name!r}: no pilot or run has that name; {there}", field="name")


def pilot_for(pilot: Pilot | str | None, run: str | None = None) -> Pilot:
    """The pilot that a function's ``pilot=`` means: a handle, a name, or None for the default one.

    Parameters
    ----------
    run
        The name that a run is to have there: a bad one is refused before a pilot is started for it.

    Raises
    ------
    InvalidInput
        `pilot` is something else, or `run` can't be a name.
    NotFound
        There is no pilot of that name.
    """
    if run is not None:
        check_name(run)
    if pilot is None:
        return default_pilot()
    if isinstance(pilot, str):
        return Pilot(check_name(pilot, field="pilot"))
    if not isinstance(pilot, Pilot):
        raise InvalidInput(f"pilot={pilot!r}: give a pilot, its name, or leave it out", field="pilot")
    return pilot


def default_pilot() -> Pilot:
    """The pilot that is used where none is given: ``local``, two nodes, started if need be."""
    with contextlib.suppress(NotFound):
        pilot = Pilot("local")
        if not pilot.state.ended and pilot.state is not State.DRAINING:
            return pilot
    try:
        return submit("local", name="local", nodes=2)
    except Conflict:  # another process was quicker
        return Pilot("local")


def _search_path() -> str:
    """Where this process finds modules beyond its installation: the nodes shall find a notebook's neighbours too."""
    installed = tuple({sys.prefix, sys.base_prefix})
    places = [os.path.abspath(place) for place in sys.path]
    own = [place for place in places if not place.startswith(installed) and os.path.isdir(place)]
    return os.pathsep.join(dict.fromkeys(own))
