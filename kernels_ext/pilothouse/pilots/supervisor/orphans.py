"""Orphans: jobs of ours that no live pilot has. They are listed, and ended.

They are known by our tag, which is their name; one that was given another name since is known by its number, which a
record has, and the time of its submission: numbers are used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pilothouse.errors import Unavailable
from pilothouse.pilots.node.own_folder import folders, remove_left
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.queues.protocols import JobStatus, Queue
from pilothouse.pilots.sites.site import DASK, Site
from pilothouse.registry.folders import EVENTS
from pilothouse.registry.journal import Journal
from pilothouse.registry.line.client import runtime_folders
from pilothouse.registry.liveness import clear_away, deciding, may_be_recovered, reconcile
from pilothouse.registry.naming import remove_unused, tag
from pilothouse.registry.owning import change
from pilothouse.registry.records import PILOTS, RUNS, NodeRecord, PilotRecord, State
from pilothouse.registry.store import Unreadable
from pilothouse.state import home, utcnow, writing
from pilothouse.sync import blocking

#: A supervisor's socket, and a temporary name of :func:`pilothouse.state.write_atomic`: a process's number is in them.
_SOCKET = re.compile(r".+-(\d+)\.sock")
_TORN = re.compile(r"\..+\.(\d+)\.[0-9a-f]{8}")
#: Seconds after which nobody on any host goes on writing such a file.
TORN_S = 3600.0
#: Seconds by which a batch system's time of a submission may differ from ours: clocks do, and commands take a while.
SAME_S = 300.0


@dataclass(frozen=True)
class Orphan:
    """A job of ours whose pilot no longer wants it.

    Attributes
    ----------
    site, job
        Where it is, and the batch system's id.
    pilot, node
        For which it was submitted.
    state
        ``pending`` or ``running``.
    why
        Why it is an orphan.
    """

    site: str
    job: str
    pilot: str
    node: str
    state: State
    why: str


@dataclass
class Swept:
    """What was found in a batch system.

    Attributes
    ----------
    orphans
        Jobs that no pilot wants.
    doubtful
        What is to be said of jobs that may be such, and that nobody ends therefore.
    """

    orphans: list[Orphan] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)

    def add(self, record: PilotRecord, listed: Mapping[str, JobStatus], why: str) -> None:
        """Add the jobs that a pilot has left and that are not called after its nodes any more."""
        for node in _left(record):
            status = listed.get(node.job)
            if status is None or status.state.ended or status.tag.startswith(tag()):
                continue
            if _is_submission_of(node, status):
                orphan = Orphan(record.site, node.job, record.name, node.name, status.state, why)
                self.orphans.append(orphan)
            else:
                self.doubtful.append(
                    f"job {node.job} at site {record.site!r} was not ended: the node {node.name} of a pilot that has "
                    f"ended had that number, but the job is called {status.tag!r}, and was not submitted for it as far "
                    "as is known; if it is yours, end it yourself"
                )


def _left(record: PilotRecord) -> list[NodeRecord]:
    """The nodes of a pilot without a supervisor whose jobs may be there, one of each job."""
    nodes = [node for node in record.nodes if node.job and (node.state is State.LOST or not node.state.ended)]
    return [*{node.job: node for node in nodes[::-1]}.values()][::-1]


def _is_submission_of(node: NodeRecord, status: JobStatus) -> bool:
    """Whether a job with the number of the node's, and another name, is the one that was submitted for it."""
    if node.submitted is None or status.submitted is None:
        return False
    return abs(status.submitted - node.submitted) <= timedelta(seconds=SAME_S)


async def sweep_queue(queue: Queue, site: Site, *, spare_lost: bool = True, end: bool = True, only: str = "") -> Swept:
    """Find the orphans in one batch system, and end them.

    Parameters
    ----------
    only
        Those of the pilot of this name.
    spare_lost
        Leave the jobs of a pilot that was lost a short time ago (the site's ``patience``): it may be recovered.
    end
        Whether to end them.
    """
    found, listed = Swept(), await queue.poll()
    records = await asyncio.to_thread(lambda: {each.name: each for each in PILOTS})  # after the jobs: theirs are there
    for job, status in listed.items():
        if status.state.ended or not status.tag.startswith(tag()):
            continue
        node = status.tag.removeprefix(tag())
        pilot = node.rpartition("-")[0]
        if only and pilot != only:
            continue
        why = _why(records.get(pilot), site, spare_lost)
        if why:
            found.orphans.append(Orphan(site.name, job, pilot, node, status.state, why))
    for record in records.values():
        if isinstance(record, Unreadable) or record.settings.get("system") != site.system:
            continue
        if only in ("", record.name) and (why := _why(record, site, spare_lost)):
            found.add(record, listed, why)
    if end and found.orphans:
        await queue.cancel([orphan.job for orphan in found.orphans])
    return found


def _why(record: PilotRecord | Unreadable | None, site: Site, spare_lost: bool) -> str:
    """Why the job is an orphan; empty when it is none."""
    if record is None:
        return "its pilot has no record"
    if isinstance(record, Unreadable):
        return ""  # nothing is known: nothing is ended
    if not record.state.ended:
        return ""  # its supervisor sorts its jobs out
    if record.state is not State.LOST:
        return f"its pilot is {record.state.value}"
    recent = record.ended is not None and utcnow() - record.ended < timedelta(seconds=site.patience)
    return "" if spare_lost and recent else "its pilot is lost"


def end_for_good(record: PilotRecord) -> None:
    """End a pilot that has no supervisor: it is lost, has left jobs, or its supervisor's own job waits in the queue.

    Its jobs are ended, and what a lost one had is removed: nobody can go on with it any more.

    Warns
    -----
    UserWarning
        A job that may be one of its was not ended.
    """
    site = Site.model_validate(record.settings)
    jobs: list[str] = []
    if site.system != "local":
        # An attached cluster that has gone took its jobs along; what it has not, ends when nobody recovers the pilot.
        with contextlib.suppress(Unavailable) if site.system == DASK else contextlib.nullcontext():
            jobs = _end_jobs(record, queue_for(site), site)
    alone = deciding(record) if record.state is State.LOST else contextlib.nullcontext(True)
    with writing(PILOTS.path(record.name)), alone as mine:
        if mine:
            change(PILOTS, record, lambda latest: _finish(latest, list(dict.fromkeys(jobs))))
    _remove_folders([record])


def _end_jobs(record: PilotRecord, queue: Queue, site: Site) -> list[str]:
    """End what a pilot without a supervisor has left in the queue; the jobs that were told to."""
    found, listed = Swept(), blocking(queue.poll())
    found.add(record, listed, "its pilot was cancelled")
    jobs = [node.job for node in _left(record) if node.job not in listed or listed[node.job].tag == tag(node.first)]
    jobs += [orphan.job for orphan in found.orphans]
    blocking(queue.cancel(jobs))
    swept = blocking(sweep_queue(queue, site, spare_lost=False, only=record.name))
    for text in dict.fromkeys([*found.doubtful, *swept.doubtful]):
        warnings.warn(text, stacklevel=4)
    return [*jobs, *(orphan.job for orphan in swept.orphans)]


def _finish(latest: PilotRecord, jobs: list[str]) -> bool:
    """Write that a pilot has ended, unless a supervisor has come up in the meantime.

    Parameters
    ----------
    jobs
        Those that it had left, which were told to end.
    """
    left, told = latest.left, f"told its jobs ({', '.join(jobs)}) to end" if jobs else ""
    if latest.state is State.LOST:
        clear_away(latest)
        latest.reason = f"cancelled{f', and {told}' if told else ''}; it was lost: {latest.reason}"
    elif left:
        latest.reason = f"{latest.reason}; cancelled again{f', which {told}' if told else ''}"
    elif latest.supervisor is None and not latest.state.ended:
        for node in latest.nodes:
            node.state, node.reason, node.ended = State.FINISHED, "the pilot ended", utcnow()
        latest.reason = "cancelled"
    else:
        return False
    for node in latest.nodes:
        if node.state is State.LOST:
            node.state, node.reason = State.FINISHED, "cancelled"
    if not left:
        latest.state, latest.ended, latest.lease_end = State.FINISHED, utcnow(), None
    Journal(PILOTS.folder(latest.name) / EVENTS).add(latest.state.value, reason="cancelled", jobs=jobs)
    return True


def sweep(*, end: bool = True) -> list[Orphan]:
    """List what pilots have left behind on all sites, and end it.

    Jobs with our tag, or the number and the time of one of ours, whose pilot has ended, is lost or has no record;
    sockets of supervisors that have gone, and files that killed processes were writing.

    Parameters
    ----------
    end
        False only lists.

    Warns
    -----
    UserWarning
        A batch system does not answer, so its jobs were not looked at; or a job that may be one was not ended.

    Raises
    ------
    Unavailable
        A batch system has stopped answering just now.
    """
    found, unseen = sweep_sites(end=end)
    for text in unseen:
        warnings.warn(text, stacklevel=2)
    return found


def sweep_sites(*, end: bool) -> tuple[list[Orphan], list[str]]:
    """What :func:`sweep` does: the orphans; which sites' jobs were not looked at and why, and which were not ended."""
    from pilothouse.pilots.queues.discovery import sites

    for record in PILOTS:
        if isinstance(record, PilotRecord):
            reconcile(record)  # finds out which are lost
    found: list[Orphan] = []
    unseen: list[str] = []
    systems = {(site.system, site.conf_dir): site for site in sites() if site.system != "local"}
    for site in systems.values():  # several sites may be of one batch system
        if site.trouble:
            unseen.append(f"jobs at site {site.name!r} were not looked at: {site.trouble}")
            continue
        swept = blocking(sweep_queue(queue_for(site), site, spare_lost=False, end=end))
        found += swept.orphans
        unseen += swept.doubtful
    if end:
        for folder in runtime_folders():
            _remove_files(folder, _SOCKET)
        remove_torn()
        clear_lost()
        _remove_folders(record for record in PILOTS if isinstance(record, PilotRecord))
    return found, unseen


def _remove_folders(records: Iterable[PilotRecord]) -> None:
    """Remove what killed nodes of these pilots, and others beside them, have left on this host."""
    scratches = {str(record.description.get("scratch") or record.settings.get("scratch") or "") for record in records}
    for scratch in scratches:
        remove_left(folders(scratch))


def clear_lost() -> None:
    """Remove what lost pilots have left, once their lease is over and nobody can go on with them."""
    for record in PILOTS:
        if isinstance(record, PilotRecord) and record.state is State.LOST and not may_be_recovered(record):
            with contextlib.suppress(OSError):
                clear_away(record)


def remove_torn() -> None:
    """Remove what processes were writing in the state folder, and in this host's own, when they were killed.

    Several hosts may share the first, and a file says its process but not its host: an hour has to have passed.
    """
    for folder in runtime_folders():
        _remove_files(folder, _TORN)
    records = [path for kind in (PILOTS, RUNS) for path in (kind.root, *kind.root.iterdir())]
    for folder in (home(), home() / "names", *records):
        with contextlib.suppress(OSError):  # it is none, or has gone in the meantime
            _remove_files(folder, _TORN, TORN_S)
    for kind in (PILOTS, RUNS):  # what was being removed
        _remove_files(kind.root, _TORN, TORN_S, shutil.rmtree)
    remove_unused(TORN_S)


def _remove_files(
    folder: Path, names: re.Pattern[str], age_s: float = 0.0, how: Callable[[Path], object] = Path.unlink
) -> None:
    """Remove files in `folder` that are of processes that have gone, and at least `age_s` seconds old."""
    for path in folder.iterdir():
        found = names.fullmatch(path.name)
        if found and not _runs(int(found[1])):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime >= age_s:
                    how(path)


def _runs(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
