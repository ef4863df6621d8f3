"""LSF, from 10.1.0.2 on: ``bsub``, one ``bjobs`` for all of a user's jobs and those that have just ended, ``bkill``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ByteSize

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.commands import forgiving, output
from pilothouse.pilots.queues.headers import dask_job
from pilothouse.pilots.queues.job_script import job_script, own_log
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.queues.readable import readable
from pilothouse.pilots.queues.surroundings import inherited
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

WAITING = {"PEND", "PSUSP", "PROV", "WAIT", "FWD_PEND"}
RUNNING = {"RUN", "USUSP", "SSUSP", "UNKWN", "ZOMBI"}
#: LSF's reasons, and what they mean; others are shown as they are.
MEANING = {
    "Job dependency condition not satisfied": "waits for another job to end",
    "TERM_RUNLIMIT": "its walltime was over",
    "TERM_OWNER": "killed by its owner",
    "TERM_FORCE_OWNER": "killed by its owner",
    "TERM_ADMIN": "killed by an administrator",
    "TERM_FORCE_ADMIN": "killed by an administrator",
    "TERM_MEMLIMIT": "it used more memory than it may",
}
FIELDS = "jobid stat job_name exec_host pend_reason estimated_start_time finish_time exit_code exit_reason"
_NONE = re.compile(r"No (unfinished )?job found|is not found")
_GONE = re.compile(r"No matching job found|already finished|is being terminated|is not found")
_UNREACHABLE = re.compile(
    r"LSF is down|batch (system|daemon|library).*(down|not responding)|ls_\w+\(\)|lsf\.conf|not responding",
    re.IGNORECASE,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(rf"({'|'.join(_MONTHS)})\s+(\d+)\s+(\d+):(\d+)(?::(\d+))?(?:\s+(\d{{4}}))?")


class LSFQueue:
    """One LSF cluster: the one that the environment (``LSF_ENVDIR``) means."""

    def __init__(self, site: Site) -> None:
        self._timeout = site.timeout

    def script(self, job: Job) -> str:
        """The script for bsub. LSF keeps what a job prints until it ends, so the job writes its log itself."""
        kind = job.kind
        own = " ".join(kind.directives or [])
        said = inherited("lsf")
        queue = kind.queue or said.get("queue")
        directives = [f'{option} "{value}"' for option, value in said.items() if option.startswith("-")]
        directives += ["-o /dev/null", "-rn"]
        if kind.memory:
            size = f"{int(kind.memory) // 2**20}MB"  # the unit of bare numbers is each site's own
            directives.append(f"-M {size}")
            if "rusage[mem" not in own:
                directives.append(f'-R "rusage[mem={size}]"')
        if kind.gpus:
            directives.append(f'-gpu "num={kind.gpus}"')
        if kind.constraint:
            directives.append(f'-R "select[{kind.constraint}]"')
        if kind.exclusive:
            directives.append("-x")
        if job.after:
            directives.append(f'-w "ended({job.after})"')
        minutes = math.ceil((kind.walltime or 0) / 60)
        written = dask_job(
            "lsf", job, queue=f'"{queue}"' if queue and " " in queue else queue,  # LSB_DEFAULTQUEUE may be several
            project=job.description.account or said.get("account"),
            walltime=f"{minutes // 60}:{minutes % 60:02d}" if minutes else None,
            directives=[*directives, *(kind.directives or [])],
            lsf_units="mb", job_directives_skip=["-M "],
        )  # fmt: skip
        return job_script(job, f"{written.job_header}\n{own_log(job)}")

    async def submit(self, job: Job) -> str:
        """``bsub``, the script on its standard input."""
        text = await self._ask(["bsub"], text=self.script(job))
        found = re.search(r"Job <(\d+)> is submitted", text)
        if not found:
            raise Unavailable(f"bsub answered {text.strip()[:200]!r} in place of a job's number")
        return found[1]

    async def poll(self) -> dict[str, JobStatus]:
        """One ``bjobs``; ended jobs are listed for the site's CLEAN_PERIOD, an hour most often."""
        return await self._jobs([])

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """``bjobs`` by number, for what a listing may have left out."""
        found = await self._jobs(ids) if ids else {}
        return {job: status for job, status in found.items() if status.state.ended}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """``bkill``: SIGINT, SIGTERM and SIGKILL, at LSF's own intervals."""
        if not ids:
            return
        with forgiving(_GONE):
            await self._ask(["bkill", *ids])

    async def limits(self) -> list[QueueLimits]:
        """``bqueues`` for the queues, ``bhosts`` and ``lshosts`` for what hosts have."""
        try:
            return parse_limits(
                *[await self._ask(argv) for argv in (["bqueues", "-l"], ["bhosts", "-w"], ["lshosts", "-w"])]
            )
        except Refused as error:
            raise Unavailable(str(error)) from None

    async def estimate(self, job: Job) -> datetime | None:
        """LSF tells only of jobs that it has."""
        return None

    async def _jobs(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        try:
            text = await self._ask(["bjobs", "-a", "-o", FIELDS, "-json", *ids], errors=True)
        except Refused as error:
            text = str(error)
            if not _NONE.search(text):
                raise Unavailable(text) from None
        return parse_bjobs(text)

    async def _ask(self, argv: list[str], text: str = "", errors: bool = False) -> str:
        return await output(
            argv, system="lsf", text=text, timeout=self._timeout, errors=errors, unreachable=_UNREACHABLE
        )


def parse_bjobs(text: str) -> dict[str, JobStatus]:
    """``bjobs -json``, with what it may say before."""
    start = text.find("{")
    if start < 0 and _NONE.search(text):
        return {}
    try:
        records: Any = json.loads(text[start:], strict=False)["RECORDS"]
    except (ValueError, TypeError, KeyError):
        # A name may have broken the listing; each record is an object without others in it.
        records = re.findall(r'\{\s*"JOBID".*?\}(?=\s*[,\]])', text, re.DOTALL) or [text]
    if not isinstance(records, list):
        records = [text]
    return {job: status for job, status in readable(records, _job, "bjobs", "jobs") if job}


def _job(record: Any) -> tuple[str, JobStatus]:
    """A job's number and status; no number where LSF says that there is none."""
    if isinstance(record, str):
        record = json.loads(record, strict=False)
    if "ERROR" in record:
        return "", JobStatus(State.FAILED)
    return str(record["JOBID"]), _status(record)


def parse_limits(queues: str, slots: str, hosts: str) -> list[QueueLimits]:
    """``bqueues -l``, ``bhosts -w`` and ``lshosts -w``: the queues, with what the hosts allow."""
    closed = {"unavail", "unreach", "closed_Adm", "closed_LIM"}
    rows = [line.split() for line in slots.split("\n")[1:]]
    cores = max(
        (int(row[3]) for row in rows if len(row) > 3 and row[3].isdecimal() and row[1] not in closed), default=0
    )
    sizes = [line.split()[5] for line in hosts.split("\n")[1:] if len(line.split()) > 5]
    memory = max((_size(size) for size in sizes), default=0)
    found = []
    for block in re.split(r"(?m)^QUEUE: ", queues)[1:]:
        status = re.search(r"(?m)^\s*\d+\s+-?\d+\s+(\w+):(\w+)", block)
        # The last one: default limits are printed before maximum limits.
        limits = re.findall(r"(?m)^\s*RUNLIMIT\s*\n\s*([\d.]+) min", block)
        found.append(
            QueueLimits(
                name=block.split(None, 1)[0],
                default="This is the default queue" in block or "This is a default queue" in block,
                available=bool(status) and status[1] == "Open",  # type: ignore[index]
                walltime=float(limits[-1]) * 60 if limits else None,
                cores=cores or None,
                memory=ByteSize(memory) if memory else None,
            )
        )
    if not found:
        raise Unavailable(f"bqueues printed something else than queues: {queues.strip()[:200]!r}")
    return found


def _status(record: dict[str, Any]) -> JobStatus:
    values = {name: "" if value == "-" else str(value).strip() for name, value in record.items()}
    word = values["STAT"]
    state = _state(word)
    code = int(values["EXIT_CODE"]) if values.get("EXIT_CODE", "").isdecimal() else (0 if word == "DONE" else None)
    exit_code = 128 - code if code is not None and code > 128 else code
    return JobStatus(
        state,
        _ended(values.get("EXIT_REASON", ""), exit_code)
        if state.ended
        else _reason(word, values.get("PEND_REASON", "")),
        host=values.get("EXEC_HOST", "").split(":")[0].rpartition("*")[2],
        tag=values.get("JOB_NAME", ""),
        expected_start=_time(values.get("ESTIMATED_START_TIME", "")) if state is State.PENDING else None,
        ends=_time(values.get("FINISH_TIME", "")) if state is State.RUNNING else None,
        exit_code=exit_code if state.ended else None,
    )


def _state(word: str) -> State:
    if word in WAITING:
        return State.PENDING
    if word in RUNNING:
        return State.RUNNING
    return State.FINISHED if word == "DONE" else State.FAILED


def _reason(word: str, said: str) -> str:
    """For people: why it waits, or what is odd about its running."""
    if word == "PSUSP":
        return "held"
    if word in WAITING:
        reasons = [reason.strip() for reason in said.split(";") if reason.strip()]
        return "; ".join(MEANING.get(reason, reason) for reason in reasons)
    odd = {"RUN": "", "UNKWN": "its host does not answer", "ZOMBI": "being killed on a host that does not answer"}
    return odd.get(word, "suspended")


def _ended(said: str, exit_code: int | None) -> str:
    parts = []
    if said:
        word = re.match(r"\w*", said)[0]  # type: ignore[index]  # matches always
        parts.append(MEANING.get(word, said.rstrip(";. ")))
    if exit_code:
        parts.append(f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}")
    return ", ".join(parts)


def _time(text: str) -> datetime | None:
    """``Nov 22 22:10 L``, in this host's time zone and, where LSF does not say, the year that makes it nearest."""
    match = _DATE.search(text)
    if not match:
        return None
    month, day, hour, minute, second, year = match.groups()
    now = datetime.now().astimezone()
    own = [int(year)] if year else [now.year - 1, now.year, now.year + 1]
    dates = []
    for each in own:
        try:
            date = datetime(each, _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second or 0))
        except ValueError:  # the 29th of February of another year
            continue
        dates.append(date.astimezone(UTC))
    return min(dates, key=lambda date: abs(date - now), default=None)


def _size(text: str) -> int:
    """``"7.7G"`` in bytes: LSF counts by 1024."""
    match = re.fullmatch(r"([\d.]+)([KMGTP]?)", text)
    return int(float(match[1]) * 1024 ** " KMGTP".index(match[2] or " ")) if match else 0
