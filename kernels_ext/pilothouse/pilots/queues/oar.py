"""OAR: ``oarsub``, one ``oarstat`` for all of a user's jobs and those that have just ended, ``oardel``."""

from __future__ import annotations

import getpass
import json
import re
import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ByteSize

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.commands import forgiving, output
from pilothouse.pilots.queues.headers import clock, dask_job
from pilothouse.pilots.queues.job_script import job_script, logged, write_program
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.queues.readable import readable
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

#: Seconds for which jobs that have ended are still listed.
LISTED_S = 600
WAITING = {"Waiting", "Hold", "toLaunch", "toAckReservation", "Launching"}
RUNNING = {"Running", "Finishing", "Suspended", "Resuming", "toError"}
#: What OAR's events mean that end a job; others are shown as they are.
MEANING = {"FRAG_JOB_REQUEST": "deleted", "WALLTIME": "its walltime was over"}
#: What sites call the memory of a host (MB) and its GPUs among the properties of its resources.
MEMORY = ("mem", "memnode", "mem_node")
GPUS = ("gpu_count", "gpudevice", "gpu")
_GONE = re.compile(r"Cannot frag|already|REGISTERED|ERROR\.$|will be deleted")
_UNREACHABLE = re.compile(r"DB connection error|DBI connect|[Cc]annot connect|[Cc]onnection refused|could not connect")
#: What OAR says of every submission, or of every one that it refuses.
_CHATTER = re.compile(r"^\[ADMISSION RULE\] (Set default|Modify resource)|^OAR_JOB_ID=-|^\[ERROR\] Oarsub failed|^\s*$")


class OARQueue:
    """One OAR: the one whose commands are on the path. Memory is not asked for: OAR has no such request."""

    def __init__(self, site: Site) -> None:
        self._timeout = site.timeout

    def script(self, job: Job) -> str:
        """The script, with the options of oarsub in its head."""
        kind = job.kind
        host = "/nodes=1"
        if kind.gpus:
            wanted = f"{host}/gpu={kind.gpus}"  # the cores come with them
        else:
            wanted = host if kind.exclusive else f"{host}/core={kind.cores or 1}"
        log, below = logged(job)
        directives = [f"-O {log}", f"-E {log}"]
        if kind.constraint:
            directives.append(f"-p {shlex.quote(kind.constraint)}")
        if job.after:
            directives.append(f"-a {job.after}")
        written = dask_job(
            "oar", job, queue=kind.queue, project=job.description.account, resource_spec=wanted,
            walltime=clock(kind.walltime) if kind.walltime else None,
            directives=[*directives, *(kind.directives or [])],
            memory_per_core_property_name="not_applicable",
        )  # fmt: skip
        return job_script(job, written.job_header + below)

    async def submit(self, job: Job) -> str:
        """``oarsub``. The script is a file beside the log: OAR reads it when the job starts."""
        script = self.script(job)
        path = Path(f"{job.log}.sh")
        await write_program(path, script)
        options = [
            option
            for line in script.split("\n")
            if line.startswith("#OAR ")
            for option in shlex.split(line.removeprefix("#OAR "))
        ]
        # OAR has the user's .bashrc read by every bash of the job: by the first one is enough.
        command = f"exec env -u BASH_ENV /bin/bash {shlex.quote(str(path))}"
        text = await self._ask(["oarsub", *options, command])
        found = re.search(r"(?m)^OAR_JOB_ID=(\d+)$", text)
        if not found:
            raise Unavailable(f"oarsub answered {text.strip()[:200]!r} in place of a job's number")
        return found[1]

    async def poll(self) -> dict[str, JobStatus]:
        """One ``oarstat``."""
        alive = ", ".join(f"'{state}'" for state in sorted(WAITING | RUNNING))
        return await self._where(f"(state in ({alive}) or stop_time > {int(time.time()) - LISTED_S})")

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """``oarstat`` again: OAR forgets nothing."""
        numbers = [job for job in ids if job.isdecimal()]
        if not numbers:
            return {}
        found = await self._where(f"job_id in ({', '.join(numbers)})")
        return {job: status for job, status in found.items() if status.state.ended}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """``oardel``; it takes OAR some seconds."""
        if not ids:
            return
        with forgiving(_GONE):
            await self._ask(["oardel", *ids])

    async def limits(self) -> list[QueueLimits]:
        """``oarnodes``: what the hosts have. OAR tells nobody its queues: these are the two that all have."""
        return parse_oarnodes(await self._ask(["oarnodes", "-J"]))

    async def estimate(self, job: Job) -> datetime | None:
        """OAR predicts only for jobs that it has."""
        return None

    async def _where(self, condition: str) -> dict[str, JobStatus]:
        return parse_oarstat(
            await self._ask(["oarstat", "-J", "-f", "--sql", f"job_user = '{getpass.getuser()}' and {condition}"])
        )

    async def _ask(self, argv: list[str]) -> str:
        try:
            return await output(argv, system="oar", timeout=self._timeout, unreachable=_UNREACHABLE)
        except Refused as error:
            said = [line for line in str(error).splitlines() if not _CHATTER.search(line.removeprefix(f"{argv[0]}: "))]
            raise Refused(f"{argv[0]}: {' '.join(said).removeprefix(f'{argv[0]}: ') or error}") from None


def parse_oarstat(text: str) -> dict[str, JobStatus]:
    """``oarstat -J -f``: an object for each job; nothing at all where there is none."""
    return dict(readable(_objects(text, "oarstat").items(), _job, "oarstat", "jobs"))


def _job(numbered: tuple[str, dict[str, Any]]) -> tuple[str, JobStatus]:
    number, job = numbered
    word = str(job.get("state"))
    status = job.get("exit_code")
    exit_code = _exit_code(int(status)) if status is not None else None
    state = _state(word, exit_code)
    hosts = job.get("assigned_network_address") or [""]
    started, walltime = _time(job.get("startTime")), job.get("walltime")
    return number, JobStatus(
        state,
        _reason(word, job, exit_code),
        host=str(hosts[0]),
        tag=str(job.get("name") or ""),
        expected_start=_time(job.get("scheduledStart")) if state is State.PENDING else None,
        ends=started + timedelta(seconds=float(walltime)) if state is State.RUNNING and started and walltime else None,
        exit_code=exit_code if state.ended else None,
        submitted=_time(job.get("submissionTime")),
    )


def parse_oarnodes(text: str) -> list[QueueLimits]:
    """``oarnodes -J``: an object for each resource, most often a core."""
    cores: dict[str, set[object]] = {}
    gpus: dict[str, set[object]] = {}
    memory = 0
    counted = 0
    for number, resource in _objects(text, "oarnodes").items():
        if resource.get("state") not in ("Alive", "Absent") or resource.get("type") != "default":
            continue
        host = str(resource.get("network_address"))
        cores.setdefault(host, set()).add(resource.get("core", number))
        size = next((resource[name] for name in MEMORY if str(resource.get(name) or "").isdecimal()), 0)
        memory = max(memory, int(size) * 2**20)
        count = resource.get(GPUS[0])
        if count is not None:
            counted = max(counted, int(count))
        device = next((resource[name] for name in GPUS[1:] if resource.get(name) not in (None, "", "NO", 0, "0")), None)
        if device is not None:
            gpus.setdefault(host, set()).add(device)
    if not cores:
        return []
    devices = max((len(each) for each in gpus.values()), default=0)
    return [
        QueueLimits(
            name=name,
            default=name == "default",
            nodes=len(cores),
            cores=max(map(len, cores.values())),
            memory=ByteSize(memory) if memory else None,
            gpus=counted or devices,
        )
        for name in ("default", "besteffort")
    ]


def _objects(text: str, command: str) -> dict[str, dict[str, Any]]:
    if not text.strip():
        return {}
    try:
        objects = json.loads(text, strict=False).items()
    except (ValueError, AttributeError):
        raise Unavailable(f"{command} printed something else than jobs: {text.strip()[:200]!r}") from None
    return dict(readable(objects, lambda each: (str(each[0]), dict(each[1])), command, "jobs"))


def _state(word: str, exit_code: int | None) -> State:
    if word in WAITING:
        return State.PENDING
    if word in RUNNING:
        return State.RUNNING
    return State.FINISHED if word == "Terminated" and not exit_code else State.FAILED


def _reason(word: str, job: dict[str, Any], exit_code: int | None) -> str:
    """For people: why it waits, or how it ended."""
    if word in ("Waiting", "Hold"):
        parts = ["held"] if word == "Hold" else []
        if word == "Waiting" and job.get("dependencies"):
            parts.append(f"waits for the end of job {', '.join(map(str, job['dependencies']))}")
        # "R=2,W=0:5:0,J=B,N=name (Karma=0.000,quota_ok)" says again what was asked for.
        said = re.sub(r"^R=\S+( |$)|\(|\)|Karma=[\d.]+,?|quota_ok,?", "", str(job.get("message") or "")).strip()
        if not parts and not said and _time(job.get("scheduledStart")):  # it has been looked at
            said = "no resources that fit are free"
        return "; ".join([*parts, *([said] if said else [])])
    if word in WAITING or word in RUNNING:
        return "" if word not in ("Suspended", "toError") else {"toError": "being deleted"}.get(word, "suspended")
    events = job.get("events") or []
    known = [MEANING[str(event.get("type"))] for event in events if event.get("type") in MEANING]
    parts = [known[-1]] if known else []
    if exit_code:
        parts.append(f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}")
    if not parts and word != "Terminated":
        parts.append(str(events[-1].get("description")) if events else word)
    return ", ".join(parts)


def _exit_code(status: int) -> int:
    """From the status of wait()."""
    return -(status & 0x7F) if status & 0x7F else status >> 8


def _time(seconds: object) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) and seconds > 0 else None
