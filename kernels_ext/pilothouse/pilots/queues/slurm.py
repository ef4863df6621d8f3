"""Slurm: ``sbatch``, one ``squeue`` for all of a user's jobs, ``sacct`` for those that have left, ``scancel``."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import ByteSize

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.commands import forgiving, output
from pilothouse.pilots.queues.headers import clock, dask_job
from pilothouse.pilots.queues.job_script import job_script, log_word, logged, member_line, plain
from pilothouse.pilots.queues.protocols import TOGETHER, Job, JobStatus, member
from pilothouse.pilots.queues.readable import readable
from pilothouse.pilots.queues.several_hosts import EACH
from pilothouse.pilots.queues.surroundings import inherited
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

#: Slurm's states as ours; those in neither table have ended badly.
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
#: Its node is being booted or set up: a cloud's takes minutes.
BOOTING = {"CONFIGURING"}
RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
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
#: What is asked for. The name comes first: it may begin with a line break, and behind the last field one means its end.
_SQUEUE = ("Name", "JobArrayID", "State", "Reason", "StartTime", "EndTime", "NodeList", "exit_code", "SubmitTime")
_SACCT = ("JobName", "JobID", "State", "ExitCode", "NodeList")
#: What stands behind each field: nobody can have given a job such a name, with bars and line breaks as it may be.
SEPARATOR = f"|{secrets.token_hex(4)}|"
#: How ``srun`` starts one node a host. All is said, for users' variables may say it otherwise. It lasts until the last
#: of them has ended, however the others did, and holds nothing back from steps that are started inside of the nodes.
_SRUN = (
    "--ntasks-per-node=1", "--distribution=block", "--overlap", "--kill-on-bad-exit=0", "--wait=0", "--export=ALL",
    "--cpu-bind=none", "--mpi=none", "--input=none",
)  # fmt: skip
#: Times as seconds since 1970, whatever the time zone of the host; lists of an array's waiting members as a whole.
_SAID = {"SLURM_TIME_FORMAT": "%s", "SLURM_BITSTR_LEN": "0"}
#: A job's number, and a member's of an array; members that wait, or never started, are one record.
_NUMBER = re.compile(r"\d+([_+]\S+)?")
_MEMBERS = re.compile(r"(\d+)_\[?([\d,-]+)(?:%\d+)?\]?")


class SlurmQueue:
    """One Slurm cluster: the one that the environment (``SLURM_CONF``) means."""

    def __init__(self, site: Site) -> None:
        self._timeout = site.timeout
        self._accounting = True

    def script(self, job: Job) -> str:
        """The script for sbatch."""
        kind = job.kind
        log, below = _logged(job)
        said = inherited("slurm")
        if kind.constraint:
            said.pop("--constraint", None)
        directives = [f"{option}={_word(value)}" for option, value in said.items() if option.startswith("--")]
        directives += [f"-N {job.nodes}", f"-o {log}", "--open-mode=append", "--no-requeue"]
        if kind.gpus:
            directives.append(f"--gpus-per-node={kind.gpus}")
        if kind.constraint:
            directives.append(f"--constraint={kind.constraint}")
        if kind.exclusive:
            directives.append("--exclusive")
        if job.count > 1:
            directives.append(f"--array=0-{job.count - 1}")
        if job.after:
            directives.append(f"--dependency=afterany:{job.after}")
        skipped = [] if kind.memory else ["--mem="]
        if job.nodes > 1:
            skipped.append("-n 1")
            directives += [f"-n {job.nodes}", "--ntasks-per-node=1"]
        # dask-jobqueue rounds memory up to whole GiB, which nodes may not have: say it in MiB.
        options = {"job_mem": f"{int(kind.memory) // 2**20}M"} if kind.memory else {}
        written = dask_job(
            "slurm", job, queue=kind.queue or said.get("queue"), account=job.description.account or said.get("account"),
            walltime=clock(kind.walltime) if kind.walltime else None,
            directives=[*directives, *(kind.directives or [])],
            job_directives_skip=skipped,
            **options,
        )  # fmt: skip
        return job_script(job, written.job_header + below, _start(job))

    async def submit(self, job: Job) -> str:
        """``sbatch``, the script on its standard input."""
        text = await self._ask(["sbatch", "--parsable"], text=self.script(job))
        number = text.strip().split(";")[0]
        if not number.isdecimal():
            raise Unavailable(f"sbatch answered {text.strip()[:200]!r} in place of a job's number")
        return number

    async def submit_array(self, job: Job) -> list[str]:
        """``sbatch --array``."""
        number = await self.submit(job)
        return [f"{number}_{index}" for index in range(job.count)]

    async def poll(self) -> dict[str, JobStatus]:
        """One ``squeue``; ended jobs are listed for Slurm's MinJobAge."""
        fields = ",".join(f"{name}:{SEPARATOR}" for name in _SQUEUE)
        command = ["squeue", "--me", "--noheader", "--states=all", f"--Format={fields}"]
        try:
            return parse_squeue(await self._ask(command, environment=_SAID))
        except Refused as error:  # it can't say, which never means that jobs are gone
            raise Unavailable(str(error)) from None

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """``sacct``, where the site keeps accounts."""
        if not ids or not self._accounting:
            return {}
        command = ["sacct", "-p", f"--delimiter={SEPARATOR}", "-n", "-X", "-o", ",".join(_SACCT), "-j", ",".join(ids)]
        try:
            return parse_sacct(await self._ask(command, environment=_SAID))
        except Refused:
            self._accounting = False  # "Slurm accounting storage is disabled": it will be so tomorrow
            return {}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """``scancel``: SIGTERM, and SIGKILL after Slurm's own KillWait."""
        if not ids:
            return
        with forgiving(_GONE):
            await self._ask(["scancel", "--quiet", *ids])

    async def limits(self) -> list[QueueLimits]:
        """``sinfo``: the partitions."""
        command = ["sinfo", "--noheader", "--format=%P|%l|%c|%m|%f|%G|%a"]
        try:
            return parse_sinfo(await self._ask(command))
        except Refused as error:
            raise Unavailable(str(error)) from None

    async def estimate(self, job: Job) -> datetime | None:
        """``sbatch --test-only``; on a busy cluster the answer moves."""
        text = await self._ask(["sbatch", "--test-only"], text=self.script(job), environment=_SAID, errors=True)
        found = re.search(r"to start at (\d+|[\d-]+T[\d:]+)", text)
        return _time(found[1]) if found else None

    async def _ask(
        self, argv: list[str], text: str = "", environment: Mapping[str, str] | None = None, errors: bool = False
    ) -> str:
        return await output(
            argv, system="slurm", text=text, timeout=self._timeout, environment=environment, errors=errors,
            unreachable=_UNREACHABLE,
        )  # fmt: skip


def _start(job: Job) -> str:
    """The line that starts each of a job's several nodes; the job's signals reach them by Slurm itself."""
    kind = job.kind
    options = [f"--nodes={job.nodes}", f"--ntasks={job.nodes}", f"--cpus-per-task={kind.cores or 1}", *_SRUN]
    if kind.gpus:
        options.append(f"--gpus-per-node={kind.gpus}")
    run = shlex.quote('exec /bin/bash "$0" "$SLURM_PROCID"')
    return f'exec srun {" ".join(options)} /bin/bash -c {run} "${EACH}"'


def _logged(job: Job) -> tuple[str, str]:
    """As :func:`logged`; a member of an array takes over the log that Slurm writes, which has words of Slurm's own."""
    if job.count == 1 or not plain(str(job.log)):
        return logged(job, "SLURM_ARRAY_TASK_ID")
    path = f"{job.log.with_suffix('')}-%A_%a.out"
    own = path.replace("%A_%a", '"$SLURM_ARRAY_JOB_ID"_"$SLURM_ARRAY_TASK_ID"')
    return path, f"\n{member_line(job, 'SLURM_ARRAY_TASK_ID')}\nmv {own} {log_word(job)}"


def _each(found: Iterable[tuple[str, JobStatus]]) -> dict[str, JobStatus]:
    """The jobs by their numbers; of arrays that may be ours, each member by itself."""
    jobs = {}
    for number, status in found:
        array = _MEMBERS.fullmatch(number)
        parts = [part.partition("-")[::2] for part in array[2].split(",")] if array else []
        if array is None or any(int(last or first) >= TOGETHER for first, last in parts):
            jobs[number] = status
            continue
        for first, last in parts:
            for index in range(int(first), int(last or first) + 1):
                jobs[f"{array[1]}_{index}"] = replace(status, tag=member(status.tag, index))
    return jobs


def parse_squeue(text: str) -> dict[str, JobStatus]:
    """``squeue --Format`` with :data:`SEPARATOR` behind each field of each job."""
    return _each(readable(_records(text), _job, "squeue", "jobs"))


def _job(record: str) -> tuple[str, JobStatus]:
    name, number, word, reason, start, end, nodes, code, submitted = (part.strip() for part in record.split(SEPARATOR))
    if not _NUMBER.fullmatch(number):
        raise ValueError(number)
    state = _state(word)
    exit_code = _exit_code(code) if state.ended else None
    return number, JobStatus(
        state, _reason(word, reason, exit_code), host=_host(nodes), tag=name, exit_code=exit_code,
        expected_start=_time(start) if state is State.PENDING else None,
        # Of one that is completing it is when that began: after an scancel, long before its walltime is over.
        ends=_time(end) if state is State.RUNNING and word != "COMPLETING" else None, submitted=_time(submitted),
    )  # fmt: skip


def parse_sacct(text: str) -> dict[str, JobStatus]:
    """``sacct -p`` with :data:`SEPARATOR`. Its JSON gives wrong exit codes in 22.05."""
    found = _each(readable(_records(text), _account, "sacct", "jobs"))
    return {number: status for number, status in found.items() if status.state.ended}


def _account(record: str) -> tuple[str, JobStatus]:
    name, number, words, code, nodes = record.split(SEPARATOR)
    word = words.split()[0] if words else "UNKNOWN"  # "CANCELLED by 1000"
    exit_code = _exit_code(code)
    return number, JobStatus(
        _state(word), _reason(word, "", exit_code), host=_host(nodes), tag=name, exit_code=exit_code
    )


def _records(text: str) -> list[str]:
    text = re.sub(r"(?m)^CLUSTER: \S+\n", "", text)  # that is said where SLURM_CLUSTERS is
    return [record for record in text.split(f"{SEPARATOR}\n") if record.strip()]


def parse_sinfo(text: str) -> list[QueueLimits]:
    """``sinfo``: a line for each partition and kind of its nodes."""
    found: dict[str, QueueLimits] = {}
    rows = [line for line in text.split("\n") if line]
    for name, limit, cores, memory, features, gres, up in readable(rows, _row, "sinfo", "partitions"):
        queue = found.setdefault(
            name.rstrip("*"),
            QueueLimits(
                name=name.rstrip("*"), default=name.endswith("*"), available=up == "up", walltime=_limit(limit)
            ),
        )
        queue.cores = max(queue.cores or 0, cores)
        queue.memory = ByteSize(max(queue.memory or 0, memory * 2**20))
        queue.gpus = max(queue.gpus or 0, _gpus(gres))
        queue.features = sorted(
            {*queue.features, *(each for each in features.split(",") if each not in ("", "(null)"))}
        )
    return list(found.values())


def _row(line: str) -> tuple[str, str, int, int, str, str, str]:
    name, limit, cores, memory, features, gres, up = (part.strip() for part in line.split("|"))
    return name, limit, int(cores.rstrip("+")), int(memory.rstrip("+")), features, gres, up


def _word(value: str) -> str:
    """One word of a directive, whatever is in it."""
    escaped = re.sub(r'([\\"])', r"\\\1", value)
    return value if re.fullmatch(r"[\w.,:=@%+/&|*()-]+", value) else f'"{escaped}"'


def _state(word: str) -> State:
    if word in WAITING:
        return State.PENDING
    if word in BOOTING:
        return State.STARTING
    if word in RUNNING:
        return State.RUNNING
    return State.FINISHED if word == "COMPLETED" else State.FAILED


def _reason(word: str, reason: str, exit_code: int | None) -> str:
    """For people: what Slurm says, and what that means."""
    if word in ("RUNNING", "COMPLETED"):
        return ""
    if word in BOOTING:
        return "its host is being booted or set up"
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
