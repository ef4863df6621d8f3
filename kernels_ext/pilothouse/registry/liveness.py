"""Is the owner still there? Records whose supervisor has gone are marked ``lost``; what they had stays for the next."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pilothouse.errors import PilothouseError
from pilothouse.registry import questions
from pilothouse.registry.folders import CERTIFICATE, CLUSTER, EVENTS, KEY, LEFTOVERS, SCHEDULER, SUPERVISOR_LOG, TOKEN
from pilothouse.registry.journal import Journal
from pilothouse.registry.line.client import answers
from pilothouse.registry.logs import last_error
from pilothouse.registry.owning import change
from pilothouse.registry.records import PILOTS, RUNS, NodeRecord, PilotRecord, ProcessRef, RunRecord, State, runs_on
from pilothouse.registry.store import Unreadable
from pilothouse.state import registry, utcnow

#: A supervisor that has not shown itself after this time never will.
START_S = 30.0
#: Another host's supervisor with an older heartbeat is lost.
SILENT_S = 180.0


def is_alive(process: ProcessRef) -> bool:
    """Whether this very process still runs. Only for processes of this host."""
    import psutil

    try:
        found = psutil.Process(process.pid)
        return found.status() != psutil.STATUS_ZOMBIE and abs(found.create_time() - process.started) < 1.0
    except psutil.NoSuchProcess:
        return False


def this_process() -> ProcessRef:
    """The process that calls."""
    import psutil

    return ProcessRef(host=socket.gethostname(), pid=os.getpid(), started=psutil.Process().create_time())


def announce(name: str) -> None:
    """Write that this process becomes the supervisor of pilot `name`.

    It is the first thing that one does: to import what it needs may take longer than :data:`START_S` on a busy host.
    """

    def note(latest: PilotRecord) -> bool:
        if latest.state.ended or latest.supervisor is not None:
            return False
        latest.supervisor = this_process()
        return True

    with contextlib.suppress(OSError, PilothouseError):  # it will say so when it has come up
        change(PILOTS, PILOTS.read(name), note)


def why_lost(record: PilotRecord) -> str:
    """Why a record that claims to be alive is not; empty when it is."""
    now = utcnow()
    supervisor = record.supervisor
    awaited = record.awaited
    if supervisor is None:
        if awaited:
            return _why_not_awaited(record, awaited)
        if now - (record.begun or record.created) < timedelta(seconds=START_S):
            return ""
        return "the supervisor did not start"
    if supervisor.host != socket.gethostname():
        if record.heartbeat is None or now - record.heartbeat < timedelta(seconds=SILENT_S):
            return ""
        if answers(record):  # clocks differ
            return ""
        return f"the supervisor on {supervisor.host} has not been heard of since {record.heartbeat:%H:%M:%S} UTC"
    if record.socket and answers(record):  # quicker than a look at the process
        return ""
    if is_alive(supervisor):
        return ""
    successors = [node for node in awaited if node.role == "successor"]
    if successors and not _why_not_awaited(record, successors):
        return ""
    return f"the supervisor (process {supervisor.pid} on {supervisor.host}) was killed or crashed"


def _why_not_awaited(record: PilotRecord, jobs: list[NodeRecord]) -> str:
    """Why none of the jobs that should bring a supervisor will; empty when one still may."""
    statuses = questions.known_statuses(record)
    if statuses is None:  # nothing can be said now
        return ""
    reasons = []
    for node in jobs:
        status = statuses.get(node.job)
        if status is not None and not status.state.ended:
            return ""
        reasons.append(f"job {node.job}, which was to hold the supervisor, {status.reason if status else 'is gone'}")
        if status is None and node.submitted and utcnow() - node.submitted < timedelta(seconds=START_S):
            return ""
    return "; ".join(reasons)


def seen(record: PilotRecord) -> PilotRecord:
    """`record` as it is at this moment: ``lost`` when its supervisor has gone without saying so. Nothing is written."""
    return _look(record)[0]


def _look(record: PilotRecord) -> tuple[PilotRecord, PilotRecord | None, str]:
    """`record` as it is; and, where it is lost and nobody has written that yet, as it was, and why."""
    if record.state.ended:
        return record, None, ""
    why = why_lost(record)
    if not why:
        return record, None, ""
    latest = PILOTS.read(record.name)
    before = latest.model_copy()
    return (latest, before, why) if _lose(latest, record.supervisor, why) else (latest, None, "")


def _lose(record: PilotRecord, supervisor: ProcessRef | None, why: str) -> bool:
    """Mark `record` as lost, unless it has ended properly by now, or another than `supervisor` has it."""
    if record.state.ended or record.supervisor != supervisor:
        return False
    # An error before its last sign of life was not what ended it.
    error = last_error(PILOTS.root / record.name / SUPERVISOR_LOG, since=_last_sign(record))
    record.state, record.ended = State.LOST, utcnow()
    record.reason = "\n".join(part for part in (why, error) if part)
    record.nodes = [
        node
        if node.state.ended
        else node.model_copy(update={"state": State.LOST, "reason": "its supervisor has gone", "since": utcnow()})
        for node in record.nodes
    ]
    record.forget_addresses()
    return True


def reconcile(record: PilotRecord) -> PilotRecord:
    """As :func:`seen`, and a loss is written down, in its runs' records too: what lists, attaches and recovers does."""
    latest, before, why = _look(record)
    if before is None:
        return latest
    with contextlib.suppress(OSError, PilothouseError):  # a home that can't be written: it is lost all the same
        if before.supervisor and before.supervisor.host == socket.gethostname():  # else it may only be out of reach
            remove_addresses(before)
        Journal(PILOTS.folder(record.name) / EVENTS).add("lost", reason=why)
        change(PILOTS, before, lambda found: _lose(found, before.supervisor, why))
        for run in runs_on(latest):
            reconcile_run(run)
    return latest


def _last_sign(record: PilotRecord) -> datetime:
    """When its present supervisor was last known to live, or was asked for."""
    return max(time for time in (record.heartbeat, record.begun, record.created) if time is not None)


def may_be_recovered(record: PilotRecord) -> bool:
    """Whether another supervisor could go on with it: it is lost, and its lease lasts."""
    return record.state is State.LOST and record.lease_end is not None and record.lease_end > utcnow()


@contextlib.contextmanager
def deciding(record: PilotRecord) -> Iterator[bool]:
    """Whether this process, and no other, decides what becomes of a lost pilot: it goes on, or ends for good.

    Where the body fails, nothing was decided, and another process may.
    """
    mark = PILOTS.folder(record.name) / f"generation-{record.generation + 1}"
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        yield False
        return
    try:
        yield True
    except BaseException:
        with contextlib.suppress(OSError):
            mark.unlink()
        raise


def remove_addresses(record: PilotRecord) -> None:
    """Remove what a supervisor has for itself and its successor makes anew: its sockets and its secrets."""
    folder = PILOTS.folder(record.name)
    for path in record.sockets:
        path.unlink(missing_ok=True)
    for name in (KEY, CERTIFICATE, SCHEDULER, TOKEN):
        (folder / name).unlink(missing_ok=True)


def clear_away(record: PilotRecord) -> None:
    """Remove what must not outlive a pilot that has ended for good: also its node store and its temporary files.

    Never that of a lost one whose lease lasts: :func:`~pilothouse.pilots.supervisor.recovery.recover` goes on with it.
    """
    remove_addresses(record)
    remove_leftovers(PILOTS.folder(record.name))
    (PILOTS.folder(record.name) / CLUSTER).unlink(missing_ok=True)
    if record.scratch:
        shutil.rmtree(record.scratch, ignore_errors=True)


def seen_run(record: RunRecord) -> RunRecord:
    """`record` as it is at this moment: ``lost`` when its pilot has ended without ending it. Nothing is written."""
    return _look_at_run(record, seen)[0]


def reconcile_run(record: RunRecord) -> RunRecord:
    """As :func:`seen_run`, and a loss is written down, of its pilot too."""
    latest, is_new = _look_at_run(record, reconcile)
    if is_new:
        with contextlib.suppress(OSError, PilothouseError):
            Journal(RUNS.folder(record.name) / EVENTS).add("lost", reason=latest.reason)
            change(RUNS, latest, lambda found: _lose_run(found, latest.reason))
    return latest


def _look_at_run(record: RunRecord, look: Callable[[PilotRecord], PilotRecord]) -> tuple[RunRecord, bool]:
    """`record` as it is, and whether it is lost and nobody has written that yet; `look` looks at its pilot."""
    if record.state.ended:
        return record, False
    pilot = PILOTS.find(record.pilot)
    if isinstance(pilot, Unreadable):
        return record, False
    if pilot is not None and not record.is_on(pilot):  # a later pilot has that name
        pilot = None
    if pilot is not None:
        pilot = look(pilot)
        if not pilot.state.ended:
            return record, False
    latest = RUNS.read(record.name)
    why = f"its pilot {record.pilot!r} is gone" + (f": {pilot.reason}" if pilot else "")
    return latest, _lose_run(latest, why)


def _lose_run(record: RunRecord, why: str) -> bool:
    """Mark `record` as lost, unless it has ended by now."""
    if record.state.ended:
        return False
    record.state, record.ended, record.reason = State.LOST, utcnow(), why
    return True


def scratch_folder(pilot: str) -> Path:
    """Where a pilot on this host has its temporary files; it goes with the pilot. Other registries have their own."""
    return Path(tempfile.gettempdir(), f"pilothouse-{os.getuid()}", "scratch", f"{registry()}-{pilot}")


def remove_leftovers(folder: Path) -> None:
    """Remove the folders of this host that are named in ``leftovers`` in the pilot's `folder`.

    They hold what must not outlive the pilot, such as its node store; each is known by its file ``owner.json``.
    """
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / LEFTOVERS).read_text().splitlines():
            if Path(line, "owner.json").exists():
                shutil.rmtree(line, ignore_errors=True)
