"""Slurm: ``sbatch``, one ``squeue`` for all of a user's jobs, ``sacct`` for those that have left, ``scancel``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ByteSize

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.commands import forgiving, output
from pilothouse.pilots.queues.headers import clock, dask_job
from pilothouse.pilots.queues.job_script import job_script
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

#: Slurm's states as ours; those in neither table have ended badly.
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
RUNNING = {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
#: What Slurm's shorter reasons mean; others are shown as they are.
MEANING = {
    "None": "",
    "Priority": "others are ahead in the queue",
    "Resources": "no node that fits is free",
    "Dependency": "waits for another job to end",
    "JobHeldUser": "held by you",
    "JobHeldAdmin": "held by an administrator",
    "BeginTime": "its start time has not come",
    "BadConstraints": "no node has these features: it will never start",
    "PartitionTimeLimit": "longer than the partition allows: it will never start",
    "PartitionNodeLimit": "larger than the partition allows: it will never start",
    "ReqNodeNotAvail": "a node that it needs is down or reserved",
    "AssocMaxJobsLimit": "as many of your jobs run as you may have at once",
    "QOSMaxJobsPerUserLimit": "as many of your jobs run as you may have at once",
    "NonZeroExitCode": "",
    "TimeLimit": "its walltime was over",
}
#: What Slurm's commands say when its daemons don't answer: that refuses nothing, and will pass.
_GONE = re.compile(r"Invalid job id|already complet")
_UNREACHABLE = re.compile(
    r"Unable to contact|Connection refused|Connection timed out|timed out on send/recv|Communication connection failure"
    r"|Zero Bytes were transmitted|Problem talking to (the )?database|establish a configuration source",
    re.IGNORECASE,
)
_SQUEUE = "JobID:|,State:|,Reason:|,StartTime:|,EndTime:|,NodeList:|,exit_code:|,Name:|"
#: Times as seconds since 1970, whatever the time zone of the host.
_EPOCH = {"SLURM_TIME_FORMAT": "%s"}


class SlurmQueue:
    """One Slurm cluster: the one that the environment (``SLURM_CONF``) means."""

    def __init__(self, site: Site) -> None:
        self._timeout = site.timeout
        self._accounting = True

    def script(self, job: Job) -> str:
        """The script for sbatch."""
        kind = job.kind
        directives = ["-N 1", f"-o {job.log}", "--open-mode=append", "--no-requeue"]
        if kind.gpus:
            directives.append(f"--gpus-per-node={kind.gpus}")
        if kind.constraint:
            directives.append(f"--constraint={kind.constraint}")
        if kind.exclusive:
            directives.append("--exclusive")
        if job.after:
            directives.append(f"--dependency=afterany:{job.after}")
        # dask-jobqueue rounds memory up to whole GiB, which nodes may not have: say it in MiB.
        options = {"job_mem": f"{int(kind.memory) // 2**20}M"} if kind.memory else {"job_directives_skip": ["--mem="]}
        written = dask_job(
            "slurm", job, queue=kind.queue, account=job.description.account,
            walltime=clock(kind.walltime) if kind.walltime else None,
            directives=[*directives, *(kind.directives or [])],
            **options,
        )  # fmt: skip
        return job_script(job, written.job_header)

    async def submit(self, job: Job) -> str:
        """``sbatch``, the script on its standard input."""
        text = await output(
            ["sbatch", "--parsable"], text=self.script(job), timeout=self._timeout, unreachable=_UNREACHABLE
        )
        number = text.strip().split(";")[0]
        if not number.isdecimal():
            raise Unavailable(f"sbatch answered {text.strip()[:200]!r} in place of a job's number")
        return number

    async def poll(self) -> dict[str, JobStatus]:
        """One ``squeue``; ended jobs are listed for Slurm's MinJobAge."""
        command = ["squeue", "--me", "--noheader", "--states=all", f"--Format={_SQUEUE}"]
        try:
            return parse_squeue(
                await output(command, timeout=self._timeout, unreachable=_UNREACHABLE, environment=_EPOCH)
            )
        except Refused as error:  # it can't say, which never means that jobs are gone
            raise Unavailable(str(error)) from None

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """``sacct``, where the site keeps accounts."""
        if not ids or not self._accounting:
            return {}
        fields = "JobIDRaw,State,ExitCode,NodeList,JobName"
        command = ["sacct", "-P", "-n", "-X", "-o", fields, "-j", ",".join(ids)]
        try:
            return parse_sacct(
                await output(command, timeout=self._timeout, unreachable=_UNREACHABLE, environment=_EPOCH)
            )
        except Refused:
            self._accounting = False  # "Slurm accounting storage is disabled": it will be so tomorrow
            return {}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """``scancel``: SIGTERM, and SIGKILL after Slurm's own KillWait."""
        if not ids:
            return
        with forgiving(_GONE):
            await output(["scancel", "--quiet", *ids], timeout=self._timeout, unreachable=_UNREACHABLE)

    async def limits(self) -> list[QueueLimits]:
        """``sinfo``: the partitions."""
        command = ["sinfo", "--noheader", "--format=%P|%l|%c|%m|%f|%G|%a"]
        try:
            return parse_sinfo(await output(command, timeout=self._timeout, unreachable=_UNREACHABLE))
        except Refused as error:
            raise Unavailable(str(error)) from None

    async def estimate(self, job: Job) -> datetime | None:
        """``sbatch --test-only``; on a busy cluster the answer moves."""
        text = await output(
            ["sbatch", "--test-only"],
            text=self.script(job),
            timeout=self._timeout,
            unreachable=_UNREACHABLE,
            environment=_EPOCH,
            errors=True,
        )
        found = re.search(r"to start at (\d+|[\d-]+T[\d:]+)", text)
        return _time(found[1]) if found else None


def parse_squeue(text: str) -> dict[str, JobStatus]:
    """``squeue --Format`` as :data:`_SQUEUE` asks for it: a job a line."""
    found = {}
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) < 8:
            raise Unavailable(f"squeue printed something else than jobs: {line[:200]!r}")
        number, word, reason, start, end, nodes, code = (part.strip() for part in parts[:7])
        tag = "|".join(parts[7:-1]).strip()
        state = _state(word)
        exit_code = _exit_code(code) if state.ended else None
        found[number] = JobStatus(
            state, _reason(word, reason, exit_code), host=_host(nodes), tag=tag, exit_code=exit_code,
            expected_start=_time(start) if state is State.PENDING else None,
            ends=_time(end) if state is State.RUNNING else None,
        )  # fmt: skip
    return found


def parse_sacct(text: str) -> dict[str, JobStatus]:
    """``sacct -P``: a job a line. Its JSON gives wrong exit codes in 22.05."""
    found = {}
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) < 5:
            continue
        word = parts[1].split()[0] if parts[1] else "UNKNOWN"  # "CANCELLED by 1000"
        state = _state(word)
        if not state.ended:
            continue
        exit_code = _exit_code(parts[2])
        found[parts[0]] = JobStatus(
            state, _reason(word, "", exit_code), host=_host(parts[3]), tag="|".join(parts[4:]), exit_code=exit_code
        )
    return found


def parse_sinfo(text: str) -> list[QueueLimits]:
    """``sinfo``: a line for each partition and kind of its nodes."""
    found: dict[str, QueueLimits] = {}
    for line in text.splitlines():
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 7:
            raise Unavailable(f"sinfo printed something else than partitions: {line[:200]!r}")
        name, limit, cores, memory, features, gres, up = parts
        queue = found.setdefault(
            name.rstrip("*"),
            QueueLimits(
                name=name.rstrip("*"), default=name.endswith("*"), available=up == "up", walltime=_limit(limit)
            ),
        )
        queue.cores = max(queue.cores or 0, int(cores.rstrip("+")))
        queue.memory = ByteSize(max(queue.memory or 0, int(memory.rstrip("+")) * 2**20))
        queue.gpus = max(queue.gpus or 0, _gpus(gres))
        queue.features = sorted(
            {*queue.features, *(each for each in features.split(",") if each not in ("", "(null)"))}
        )
    return list(found.values())


def _state(word: str) -> State:
    if word in WAITING:
        return State.PENDING
    if word in RUNNING:
        return State.RUNNING
    return State.FINISHED if word == "COMPLETED" else State.FAILED


def _reason(word: str, reason: str, exit_code: int | None) -> str:
    """For people: what Slurm says, and what that means."""
    if word in ("RUNNING", "COMPLETED"):
        return ""
    meaning = MEANING.get(reason, "")
    said = reason if reason not in ("None", "") else ""
    if word in WAITING:
        return f"{said}: {meaning}" if meaning else said
    parts = [word.lower().replace("_", " ")]
    if exit_code:
        parts.append(f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}")
    if said and said != "NonZeroExitCode":
        parts.append(meaning or said)
    return ", ".join(parts)


def _exit_code(text: str) -> int | None:
    """``"3:0"`` is exit code 3, ``"0:15"`` signal 15; squeue gives the status of wait() as one number."""
    code, colon, number = text.partition(":")
    if not code.isdecimal():
        return None
    if colon:
        return -int(number) if number.isdecimal() and int(number) else int(code)
    status = int(code)
    return -(status & 0x7F) if status & 0x7F else status >> 8


def _time(text: str) -> datetime | None:
    if text.isdecimal():
        return datetime.fromtimestamp(int(text), UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:  # N/A, NONE, Unknown
        return None


def _limit(text: str) -> float | None:
    """``"1-00:00:00"``, ``"1:00:00"``, ``"5:00"`` and ``"5"`` (minutes), ``"infinite"``: seconds."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdecimal() for part in (*parts, days or "0")):
        return None
    units = (3600, 60, 1) if dash or len(parts) == 3 else (60, 1)
    seconds = sum(int(part) * unit for part, unit in zip(parts, units, strict=False))
    return float(int(days or 0) * 86_400 + seconds)


def _gpus(gres: str) -> int:
    """``"gpu:a100:4(S:0-1),gpu:2"`` has six."""
    return sum(int(number) for number in re.findall(r"gpu(?::[A-Za-z][^:,()]*)?:(\d+)", gres))


def _host(nodes: str) -> str:
    return "" if nodes in ("(null)", "None assigned") else nodes
