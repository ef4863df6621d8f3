"""HTCondor: ``condor_submit``, one ``condor_q`` for all of a user's jobs, ``condor_history``, ``condor_rm``.

HTCondor takes a description and a program, not one script. Here they are one: lines of the script that begin with
``#CONDOR`` are the description, and the script is the program.
"""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ByteSize

from pilothouse.errors import InvalidInput, Refused, Unavailable
from pilothouse.pilots.queues.commands import forgiving, output
from pilothouse.pilots.queues.headers import dask_job
from pilothouse.pilots.queues.job_script import job_script, own_log, write_program
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.queues.readable import readable
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

IDLE, RUNNING, REMOVED, COMPLETED, HELD, TRANSFERRING, SUSPENDED = range(1, 8)
#: HoldReasonCode of jobs that a person holds, or whose files are still on their way; the others hold what went wrong.
HELD_BY_USER, SPOOLING, SUBMITTED_ON_HOLD = 1, 16, 15
#: HTCondor has no queues: what its pool offers is shown as one of this name.
POOL = "pool"
ATTRIBUTES = (
    "ClusterId,ProcId,JobStatus,JobBatchName,RemoteHost,LastRemoteHost,JobCurrentStartDate,PilothouseWalltime,"
    "EnteredCurrentStatus,HoldReason,HoldReasonCode,LastHoldReason,LastRejMatchReason,RemoveReason,ExitCode,"
    "ExitBySignal,ExitSignal,QDate"
)
_MARK = "#CONDOR "
_UNREACHABLE = re.compile(
    r"Failed to fetch ads|Can't find address|Failed to connect|CEDAR|ERROR: (store|schedd)|Can't open config"
)
_GONE = re.compile(r"not found|Couldn't find|no longer in the queue|already")
_DELETED = re.compile(rf"{_GONE.pattern}|marked for removal")


class HTCondorQueue:
    """One HTCondor pool: the one whose schedd the environment (``CONDOR_CONFIG``) means."""

    def __init__(self, site: Site) -> None:
        self._timeout = site.timeout

    def script(self, job: Job) -> str:
        """The script, with its description in its head.

        Raises
        ------
        InvalidInput
            The description asks for something that HTCondor does not have.
        """
        kind = job.kind
        if kind.queue not in (None, POOL):
            raise InvalidInput(
                f"queue={kind.queue!r}: HTCondor has no queue of that name, for it has none; leave it out",
                field="queue",
            )
        if kind.exclusive:
            raise InvalidInput(
                "exclusive=True: HTCondor has no exclusive nodes; ask for all cores of one", field="exclusive"
            )
        # What has no place to go on leaves the queue by itself: jobs that were started twice, and those that
        # HTCondor holds because something went wrong. Nobody else may be left to remove them.
        leaves = [
            f"(JobStatus == {IDLE} && NumJobStarts > 0)",
            f"(JobStatus == {HELD} && HoldReasonCode =!= {HELD_BY_USER} && HoldReasonCode =!= {SUBMITTED_ON_HOLD}"
            f" && HoldReasonCode =!= {SPOOLING} && time() - EnteredCurrentStatus > 60)",
        ]
        entries: dict[str, object] = {
            "universe": "vanilla",
            "initialdir": _no_macro(job.log.parent),
            "output": "/dev/null",
            "error": "/dev/null",
            "notification": "never",
            "transfer_output_files": '""',
            "batch_name": job.tag,
        }
        if kind.walltime:
            entries["MY.PilothouseWalltime"] = int(kind.walltime)
            leaves.append(f"(JobStatus == {RUNNING} && time() - JobCurrentStartDate > {int(kind.walltime)})")
        entries["periodic_remove"] = " || ".join(leaves)
        skipped = ["RequestDisk", "MY.DaskWorkerDisk"]
        if kind.memory:
            entries["RequestMemory"] = int(kind.memory) // 2**20
        else:
            skipped += ["RequestMemory", "MY.DaskWorkerMemory"]
        if kind.gpus:
            entries["request_gpus"] = kind.gpus
        if kind.constraint:
            entries["requirements"] = kind.constraint
        if job.description.account:
            entries["accounting_group"] = job.description.account
        written = dask_job(
            "htcondor", job, walltime=None, directives=entries, disk="1 GiB", job_directives_skip=skipped
        )
        lines = [f"{name} = {value}" for name, value in written.job_header_dict.items()]
        header = "\n".join(f"{_MARK}{line}" for line in [*lines, *(kind.directives or [])])
        return job_script(job, f"{header}\n{own_log(job)}")

    async def submit(self, job: Job) -> str:
        """``condor_submit``, the description on its standard input; the script is a file beside the log."""
        if job.after:
            raise Refused("HTCondor can't have a job wait for the end of another that is there already")
        script = self.script(job)
        path = Path(f"{job.log}.sh")
        await write_program(path, script)
        lines = [line.removeprefix(_MARK) for line in script.split("\n") if line.startswith(_MARK)]
        description = "\n".join([*lines, f"executable = {_no_macro(path)}", "queue", ""])
        text = await self._ask(["condor_submit", "-terse", "-"], text=description)
        found = re.search(r"^(\d+\.\d+) - \d+\.\d+", text, re.MULTILINE)
        if not found:
            raise Unavailable(f"condor_submit answered {text.strip()[:200]!r} in place of a job's number")
        return found[1]

    async def poll(self) -> dict[str, JobStatus]:
        """One ``condor_q``."""
        return parse_jobs(await self._asked(["condor_q", getpass.getuser(), "-json", "-attributes", ATTRIBUTES]))

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """``condor_history``: the latest jobs are found first."""
        if not ids:
            return {}
        command = ["condor_history", "-json", "-attributes", ATTRIBUTES, "-limit", str(len(ids)), *ids]
        found = parse_jobs(await self._asked(command), "condor_history")
        return {job: status for job, status in found.items() if status.state.ended}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """``condor_rm``: SIGTERM, and SIGKILL after the pool's own time."""
        if not ids:
            return
        with forgiving(_DELETED):
            await self._ask(["condor_rm", *ids])

    async def limits(self) -> list[QueueLimits]:
        """``condor_status``: what the largest machines have."""
        attributes = "Machine,TotalSlotCpus,TotalSlotMemory,TotalSlotGPUs"
        return parse_status(await self._asked(["condor_status", "-json", "-attributes", attributes]))

    async def estimate(self, job: Job) -> datetime | None:
        """HTCondor does not tell."""
        return None

    async def _asked(self, argv: list[str]) -> str:
        try:
            return await self._ask(argv)
        except Refused as error:
            raise Unavailable(str(error)) from None

    async def _ask(self, argv: list[str], text: str = "") -> str:
        return await output(argv, system="htcondor", text=text, timeout=self._timeout, unreachable=_UNREACHABLE)


def parse_jobs(text: str, command: str = "condor_q") -> dict[str, JobStatus]:
    """``condor_q -json`` and ``condor_history -json``: an object for each job; nothing at all where there is none."""
    return dict(readable(_ads(text, command, "ClusterId", "ProcId", "JobStatus"), _job, command, "ClassAds"))


def _job(ad: dict[str, Any]) -> tuple[str, JobStatus]:
    return f"{ad['ClusterId']}.{ad['ProcId']}", _status(ad)


def parse_status(text: str) -> list[QueueLimits]:
    """``condor_status -json``: an object for each slot."""
    ads = _ads(text, "condor_status", "Machine")
    if not ads:
        return []
    memory = max(int(ad.get("TotalSlotMemory") or 0) for ad in ads)
    return [
        QueueLimits(
            name=POOL,
            default=True,
            cores=max(int(ad.get("TotalSlotCpus") or 0) for ad in ads) or None,
            memory=ByteSize(memory * 2**20) if memory else None,
            gpus=max(int(ad.get("TotalSlotGPUs") or 0) for ad in ads),
        )
    ]


def _ads(text: str, command: str, *needed: str) -> list[dict[str, Any]]:
    if not text.strip():
        return []
    try:
        ads = list(json.loads(text, strict=False))
    except (ValueError, TypeError):
        raise Unavailable(f"{command} printed something else than ClassAds: {text.strip()[:200]!r}") from None
    whole = readable(ads, lambda ad: (ad, [ad[name] for name in needed]), command, "ClassAds")
    return [ad for ad, values in whole if None not in values]


def _no_macro(path: Path) -> str:
    """A path as a description has it, where ``$`` begins a macro."""
    return str(path).replace("$", "$(DOLLAR)")


def _status(ad: dict[str, Any]) -> JobStatus:
    state = _state(ad)
    exit_code = -int(ad["ExitSignal"]) if ad.get("ExitBySignal") and "ExitSignal" in ad else ad.get("ExitCode")
    started, walltime = ad.get("JobCurrentStartDate"), ad.get("PilothouseWalltime")
    ends = datetime.fromtimestamp(started, UTC) + timedelta(seconds=walltime) if started and walltime else None
    host = str(ad.get("RemoteHost") or ad.get("LastRemoteHost") or "").rpartition("@")[2]
    return JobStatus(
        state,
        _reason(ad, state, exit_code, ends),
        host=host if state is not State.PENDING else "",
        tag=str(ad.get("JobBatchName") or ""),
        ends=ends if state is State.RUNNING else None,
        exit_code=exit_code if ad["JobStatus"] == COMPLETED else None,
        submitted=datetime.fromtimestamp(ad["QDate"], UTC) if ad.get("QDate") else None,
    )


def _state(ad: dict[str, Any]) -> State:
    status = ad["JobStatus"]
    if status == IDLE or (status == HELD and ad.get("HoldReasonCode") in (HELD_BY_USER, SPOOLING, SUBMITTED_ON_HOLD)):
        return State.PENDING
    if status in (RUNNING, TRANSFERRING, SUSPENDED):
        return State.RUNNING
    good = status == COMPLETED and not ad.get("ExitBySignal") and ad.get("ExitCode") == 0
    return State.FINISHED if good else State.FAILED


def _reason(ad: dict[str, Any], state: State, exit_code: int | None, ends: datetime | None) -> str:
    """For people: why it waits, or how it ended."""
    status = ad["JobStatus"]
    if status == HELD:
        return f"held: {ad.get('HoldReason') or 'HTCondor does not say why'}"
    if state is State.PENDING:
        said = str(ad.get("LastRejMatchReason") or "").strip()
        return f"no machine of the pool that fits is free{f' ({said})' if said else ''}"
    if state is State.RUNNING:
        return "suspended" if status == SUSPENDED else ""
    if status == REMOVED:
        if ends is not None and int(ad.get("EnteredCurrentStatus") or 0) >= ends.timestamp():
            return "its walltime was over"
        why = str(ad.get("RemoveReason") or "")
        if "PeriodicRemove" in why:  # that is our own rule, see script()
            why = str(ad.get("LastHoldReason") or ad.get("HoldReason") or "HTCondor would have started it again")
        return f"removed: {why}"
    if exit_code:
        return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return ""
