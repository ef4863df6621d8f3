"""PBS Professional and OpenPBS: ``qsub``, ``qselect`` and one ``qstat`` for all of a user's jobs, ``qdel``.

``qstat`` is read as text: its JSON is broken by what users have in their environments (OpenPBS issues 1255, 2541)
and, in some versions, holds one job only (2672).
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate

from pydantic import ByteSize

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.commands import forgiving, output
from pilothouse.pilots.queues.headers import clock, dask_job
from pilothouse.pilots.queues.job_script import job_script, own_log
from pilothouse.pilots.queues.protocols import TOGETHER, Job, JobStatus, member
from pilothouse.pilots.queues.readable import readable
from pilothouse.pilots.queues.several_hosts import EACH, TRAP, WAIT
from pilothouse.pilots.queues.surroundings import inherited
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

WAITING = set("QHWTM")
RUNNING = set("RESUB")
#: The substate of a running job whose node is being set up for it (JOB_SUBSTATE_PROVISION of OpenPBS).
PROVISIONING = "71"
#: Exit codes below zero: why PBS itself ended a job, or could not start it.
PBS_EXIT = {
    -1: "PBS could not start it: its prologue or its files failed",
    -2: "PBS could not start it after its files were there",
    -3: "PBS could not start it, and would have tried again",
    -10: "PBS could not start it: the user is not valid on the node",
    -24: "it used more cores than it may",
    -25: "it used more cores than it may",
    -26: "it used more virtual memory than it may",
    -27: "it used more memory than it may",
    -28: "it used more CPU time than it may",
    -29: "its walltime was over",
}
#: Jobs that are asked for and have gone: the others are printed nevertheless.
_GONE = re.compile(r"Unknown Job Id|Job has finished|Job has been moved|finished array subjob", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"cannot connect to server|Connection refused|errno=1\d\d|No default server|Communication fail"
)
_NUMBER = re.compile(r"\d+(\[\d*\])?(\.\S+)?")
_MEMBER = re.compile(r"\d+\[(\d+)\](\.\S+)?")


class PBSQueue:
    """One PBS: the one that the commands' own settings (``PBS_CONF_FILE``) mean."""

    def __init__(self, site: Site) -> None:
        self._timeout = site.timeout
        self._history = True

    def script(self, job: Job) -> str:
        """The script for qsub. PBS keeps what a job prints until it ends, so the job writes its log itself."""
        kind = job.kind
        chunk = [f"select={job.nodes}:ncpus={kind.cores or 1}"]
        if job.nodes > 1:
            chunk.append("mpiprocs=1")  # that many lines a host has in PBS_NODEFILE, which pbsdsh counts
        if kind.memory:
            chunk.append(f"mem={int(kind.memory) // 2**20}mb")
        if kind.gpus:
            chunk.append(f"ngpus={kind.gpus}")
        if kind.constraint:
            chunk.append(kind.constraint)
        # A node that is started twice is none; but PBS takes no array whose members may not be: a second start is a
        # node that has come back, or an orphan.
        again = [f"-J 0-{job.count - 1}", "-r y"] if job.count > 1 else ["-r n"]
        directives = ["-j oe", "-o /dev/null", *again, "-S /bin/bash"]
        place = ["scatter"] * (job.nodes > 1) + ["excl"] * bool(kind.exclusive)
        if place:
            directives.append(f"-l place={':'.join(place)}")
        if job.after:
            directives.append(f"-W depend=afterany:{job.after}")
        written = dask_job(
            "pbs", job, queue=kind.queue, account=job.description.account or inherited("pbs").get("account"),
            resource_spec=":".join(chunk),
            walltime=clock(kind.walltime) if kind.walltime else None,
            directives=[*directives, *(kind.directives or [])],
        )  # fmt: skip
        return job_script(job, f"{written.job_header}\n{own_log(job, 'PBS_ARRAY_INDEX')}", _start(job))

    async def submit(self, job: Job) -> str:
        """``qsub``, the script on its standard input."""
        text = await self._ask(["qsub"], text=self.script(job))
        number = text.strip()
        if not _NUMBER.fullmatch(number):
            raise Unavailable(f"qsub answered {number[:200]!r} in place of a job's number")
        return number

    async def submit_array(self, job: Job) -> list[str]:
        """``qsub -J``; PBS's id for it, ``123[].server``, has brackets for the index."""
        number = await self.submit(job)
        before, brackets, after = number.partition("[]")
        if not brackets:
            raise Unavailable(f"qsub answered {number!r} in place of an array's number")
        return [f"{before}[{index}]{after}" for index in range(job.count)]

    async def poll(self) -> dict[str, JobStatus]:
        """One ``qselect`` for whose jobs they are, one ``qstat`` for all of them, and one for members of our arrays."""
        selected = await self._asked(["qselect", "-u", getpass.getuser()])
        ids = readable(selected.split(), _number, "qselect", "jobs")
        text = await self._listed(["qstat", "-f"], ids)
        found = parse_qstat(text)
        if arrays := parse_arrays(text):
            found |= parse_qstat(await self._listed(["qstat", "-t", "-f"], arrays))
        return {job: status for job, status in found.items() if "[]" not in job}

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """``qstat -x``, where the site has PBS remember."""
        if not ids or not self._history:
            return {}
        try:
            text = await self._listed(["qstat", "-x", "-f"], ids)
        except Unavailable as error:
            if "history" not in str(error):
                raise
            self._history = False  # "PBS is not configured to maintain job history": nor will it be tomorrow
            return {}
        return {job: status for job, status in parse_qstat(text).items() if status.state.ended}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """``qdel``: SIGTERM, and SIGKILL after PBS's own kill_delay."""
        if not ids:
            return
        with forgiving(_GONE):
            await self._ask(["qdel", *ids])

    async def limits(self) -> list[QueueLimits]:
        """``qstat -Q`` for the queues, ``pbsnodes`` for what nodes have, ``qstat -B`` for the default queue."""
        queues = await self._asked(["qstat", "-Q", "-f"])
        server = await self._asked(["qstat", "-B", "-f"])
        nodes = await self._asked(["pbsnodes", "-a"])
        return parse_limits(queues, server, nodes)

    async def estimate(self, job: Job) -> datetime | None:
        """PBS tells only of jobs that it has."""
        return None

    async def _listed(self, command: list[str], ids: Sequence[str]) -> str | None:
        """What is printed of these jobs; None where there are none, or all of them have gone."""
        if not ids:
            return None
        try:
            return await self._ask([*command, *ids])
        except Refused as error:
            text = str(error)
            if not _GONE.search(text):
                raise Unavailable(text) from None
            return text if "Job Id: " in text else None

    async def _asked(self, argv: list[str]) -> str:
        try:
            return await self._ask(argv)
        except Refused as error:
            raise Unavailable(str(error)) from None

    async def _ask(self, argv: list[str], text: str = "") -> str:
        return await output(argv, system="pbs", text=text, timeout=self._timeout, unreachable=_UNREACHABLE)


def _start(job: Job) -> str:
    """The lines that start each of a job's several nodes. A login shell is what PBS gives to a job's script, too."""
    return "\n".join([
        TRAP,
        f"for ((rank = 0; rank < {job.nodes}; rank++)); do",
        f'    pbsdsh -n "$rank" -- /bin/bash -l "${EACH}" "$rank" &',
        "done",
        WAIT,
    ])  # fmt: skip


def parse_qstat(text: str | None) -> dict[str, JobStatus]:
    """``qstat -f``: a paragraph for each job; None has none, other than a text that is empty."""
    if text is None:
        return {}
    # What else stands at the margin is of a variable with line breaks in somebody's environment.
    found = dict(readable(_paragraphs(text, "Job Id: "), _job, "qstat", "jobs"))
    if not found:
        raise Unavailable(f"qstat printed something else than jobs: {text.strip()[:200]!r}")
    return found


def parse_arrays(text: str | None) -> list[str]:
    """``qstat -f``: the arrays that may be ours."""
    found = []
    for title, job in _paragraphs(text or "", "Job Id: "):
        last = re.search(r"-(\d+)", job.get("array_indices_submitted", ""))
        if last is not None and int(last[1]) < TOGETHER:
            found.append(title.removeprefix("Job Id: "))
    return found


def _job(paragraph: tuple[str, dict[str, str]]) -> tuple[str, JobStatus]:
    title, job = paragraph
    letter = job["job_state"][:1]
    status = int(job["Exit_status"]) if re.fullmatch(r"-?\d+", job.get("Exit_status", "")) else None
    walltime, used = (_seconds(job.get(name, "")) for name in ("Resource_List.walltime", "resources_used.walltime"))
    overdue = walltime is not None and used is not None and used >= walltime
    state = State.STARTING if letter == "R" and job.get("substate") == PROVISIONING else _state(letter, status)
    started = _time(job.get("stime", ""))
    name, index = title.removeprefix("Job Id: "), _MEMBER.fullmatch(title.removeprefix("Job Id: "))
    exit_code = (256 - status if status >= 256 else status) if status is not None and status >= 0 else None
    return name, JobStatus(
        state,
        _ended(status, exit_code, overdue, started is not None) if state.ended else _reason(letter, job),
        host=job.get("exec_host", "").partition("/")[0],
        tag=member(job.get("Job_Name", ""), int(index[1])) if index else job.get("Job_Name", ""),
        expected_start=_time(job.get("estimated.start_time", "")) if state is State.PENDING else None,
        ends=started + timedelta(seconds=walltime) if state is State.RUNNING and started and walltime else None,
        exit_code=exit_code if state.ended else None,
        submitted=_time(job.get("ctime", "")),
    )


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return text


def parse_limits(queues: str, server: str, nodes: str) -> list[QueueLimits]:
    """``qstat -Q -f``, ``qstat -B -f`` and ``pbsnodes -a``: the queues, with what the nodes allow."""
    default = next((values["default_queue"] for _, values in _paragraphs(server) if "default_queue" in values), "")
    sizes = [values for _, values in _paragraphs(nodes) if "offline" not in values.get("state", "")]
    most: dict[str, int] = {}
    for name, count in (("ncpus", _count), ("mem", _size), ("ngpus", _count)):
        most[name] = max((count(values.get(f"resources_available.{name}", "")) or 0 for values in sizes), default=0)
    found = []
    for title, queue in _paragraphs(queues):
        if not title.startswith("Queue: "):
            continue
        name = title.removeprefix("Queue: ")
        cores, gpus = (
            _least(_count(queue.get(f"resources_max.{each}", "")), most[each]) for each in ("ncpus", "ngpus")
        )
        memory = _least(_size(queue.get("resources_max.mem", "")), most["mem"])
        found.append(
            QueueLimits(
                name=name,
                default=name == default,
                available=queue.get("enabled") == "True" and queue.get("started") == "True",
                walltime=_seconds(queue.get("resources_max.walltime", "")),
                cores=cores or None,
                memory=ByteSize(memory) if memory else None,
                gpus=gpus,
            )
        )
    if not found:
        raise Unavailable(f"qstat printed something else than queues: {queues.strip()[:200]!r}")
    return found


def _paragraphs(text: str, title: str = "") -> list[tuple[str, dict[str, str]]]:
    """A title at the margin, then indented names and values; lines that begin with a tab go on with the one before.

    With `title`, titles begin so, and other lines at the margin are none.
    """
    found: list[tuple[str, dict[str, str]]] = []
    name = ""
    for line in text.split("\n"):
        if line[:1] == "\t" and found and name:
            found[-1][1][name] += line[1:]
        elif line[:1] == " " and found:
            word, equals, value = line.strip().partition(" = ")
            name = word if equals else ""
            if equals:
                found[-1][1][name] = value
        elif line.strip():
            name = ""
            if line.startswith(title):
                found.append((line.strip(), {}))
    return found


def _state(letter: str, status: int | None) -> State:
    if letter in WAITING:
        return State.PENDING
    if letter in RUNNING:
        return State.RUNNING
    return State.FINISHED if status == 0 else State.FAILED


def _reason(letter: str, job: dict[str, str]) -> str:
    """Why a job waits; for people."""
    if letter in RUNNING:
        if job.get("substate") == PROVISIONING:
            return "its host is being booted or set up"
        return {"S": "suspended", "U": "suspended: the node is in use", "E": ""}.get(letter, "")
    if letter == "H":
        return "waits for another job to end" if job.get("depend") else "held"
    return re.sub(r"^Not Running: ", "", job.get("comment", ""))


def _ended(status: int | None, exit_code: int | None, overdue: bool, began: bool) -> str:
    if status is None:
        return "PBS does not say how" if began else "deleted before it started"
    if status < 0:
        return PBS_EXIT.get(status, f"PBS ended it ({status})")
    parts = ["its walltime was over"] if overdue and status >= 256 else []
    if exit_code:
        parts.append(f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}")
    return ", ".join(parts)


def _time(text: str) -> datetime | None:
    """``Fri Nov 11 17:57:05 2016``, in this host's time zone."""
    parts = parsedate(text)
    return datetime(*parts[:6]).astimezone(UTC) if parts else None  # local, as ctime() writes it


def _seconds(text: str) -> float | None:
    """``"24:00:00"`` or seconds."""
    parts = text.split(":")
    if not all(part.isdecimal() for part in parts):
        return None
    return float(sum(int(part) * 60**power for power, part in enumerate(reversed(parts))))


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _size(text: str) -> int | None:
    """``"16384000kb"`` in bytes: PBS counts by 1024."""
    match = re.fullmatch(r"(\d+)([kmgtp]?)b?", text.lower())
    return int(match[1]) * 1024 ** " kmgtp".index(match[2] or " ") if match else None


def _least(limit: int | None, most: int) -> int:
    return min(limit, most) if limit is not None and most else (limit or most)
