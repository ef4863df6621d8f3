"""Grid Engine: ``qsub``, one ``qstat`` for all of a user's jobs, ``qacct`` for those that have left, ``qdel``."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from pydantic import ByteSize

from pilothouse.errors import Refused, Unavailable
from pilothouse.pilots.queues.commands import forgiving, output
from pilothouse.pilots.queues.gridengine_customs import MEMORY, Customs, ask_customs
from pilothouse.pilots.queues.gridengine_defaults import defaults
from pilothouse.pilots.queues.headers import clock, dask_job
from pilothouse.pilots.queues.job_script import job_script, logged
from pilothouse.pilots.queues.protocols import TOGETHER, Job, JobStatus, member
from pilothouse.pilots.queues.readable import readable
from pilothouse.pilots.queues.several_hosts import EACH, TRAP, WAIT
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State

#: What files of defaults (sge_request(5): the cluster's, the user's, the folder's) must not make of a job, which would
#: be no script then, or waited for. What no option takes back is left out of them
#: (:mod:`.gridengine_defaults`); everything else that the script says wins over them by itself.
NEUTRAL = ("-C", "#$", "-b", "n", "-sync", "n", "-now", "n")
#: What an answer has in it when it is the master that can't be reached.
_GONE = re.compile(r"does not exist|deletion|deleted")
_UNREACHABLE = re.compile(r"commlib error|unable to (contact|send message to) qmaster|SGE_ROOT|qmaster name")
#: Letters that XML can't have, and names can.
_NO_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
#: Why a job waits: Grid Engine's words, and what they mean.
MEANING = (
    (r"because it is full|offers only hc:slots=0\b", "no slots are free"),
    (r"PE .* because it only offers (\d+) slots", r"no host has that many slots free (\1)"),
    (r"job dropped because of job dependencies", "waits for another job to end"),
    (r"Job is in hold state", "held"),
    (r"because it is overloaded", "its hosts are overloaded"),
    (r"because it is (temporarily not available|disabled|suspended)", r"a queue is \1"),
    (r"dropped because of (user|quota|.*limit)", "as many of your jobs run as you may have at once"),
    (r"\((-l [^)]*)\).* because of cluster queue", r"\1 is more than the queue allows: it will never start"),
    (r"\((-l [^)]*)\) cannot run at host .*offers only", r"\1 is more than a host offers"),
)
#: Messages about queues that the job does not want.
_BESIDE_THE_POINT = re.compile(r"not contained in its hard queue list|Job is in error state")


class GridEngineQueue:
    """One Grid Engine: the one that the environment (``SGE_ROOT``, ``SGE_CELL``) means."""

    def __init__(self, site: Site) -> None:
        self._timeout = site.timeout
        self._several = site.nodes_per_job > 1
        self._customs: Customs | None = None
        self._accounting = True

    def script(self, job: Job) -> str:
        """The script for qsub. What memory, GPUs and slots are called here is asked, where it is not known yet."""
        return self._script(job, self._customs or ask_customs(self._timeout, self._several))

    def _script(self, job: Job, customs: Customs) -> str:
        kind = job.kind
        slots = kind.cores or 1
        own = " ".join(kind.directives or [])
        # -r n: a node that is started twice is none. -w e: what can never run is refused at once.
        log, below = logged(job, "SGE_TASK_ID - 1")
        directives = [f"-o {log}", "-S /bin/bash", "-r n", "-w e"]
        if slots * job.nodes > 1 and "-pe " not in own:
            directives.append(customs.slots(slots, job.nodes))
        if kind.memory and not any(f"{name}=" in own for name in (*MEMORY, "mem_total")):
            directives.append(customs.memory(int(kind.memory), slots, job.nodes))
        if kind.gpus:
            directives.append(customs.gpus(kind.gpus, job.nodes))
        if kind.constraint:
            directives.append(f"-l {kind.constraint}")
        if kind.exclusive:
            directives.append("-l exclusive=true")
        if job.count > 1:
            directives.append(f"-t 1-{job.count}")
        if job.after:
            directives.append(f"-hold_jid {job.after}")
        written = dask_job(
            "sge", job, queue=kind.queue, project=job.description.account,
            walltime=clock(kind.walltime) if kind.walltime else None,
            directives=[*filter(None, directives), *(kind.directives or [])],
            job_directives_skip=["-cwd"],  # a job whose folder a host lacks never starts; home is everywhere
        )  # fmt: skip
        said = "".join(f"#$ {options}\n" for options in defaults())
        return job_script(job, said + written.job_header + below, _start(job))

    async def submit(self, job: Job) -> str:
        """``qsub``, the script on its standard input."""
        return await self._submit(job, "")

    async def submit_array(self, job: Job) -> list[str]:
        """``qsub -t``; Grid Engine counts members from 1."""
        number = await self._submit(job, f".1-{job.count}:1")
        return [f"{number}.{task}" for task in range(1, job.count + 1)]

    async def _submit(self, job: Job, tasks: str) -> str:
        """The job's number, behind which qsub says its `tasks`."""
        customs = self._customs
        if customs is None:
            customs = await asyncio.to_thread(ask_customs, self._timeout, self._several)
        self._customs = customs if customs.resources else None  # where nothing was answered, ask again the next time
        text = await self._ask(["qsub", "-terse", *NEUTRAL], text=self._script(job, customs))
        number = text.strip().rpartition("\n")[2].removesuffix(tasks)
        if not number.isdecimal():
            raise Unavailable(f"qsub answered {text.strip()[:200]!r} in place of a job's number")
        return number

    async def poll(self) -> dict[str, JobStatus]:
        """One ``qstat``, and one more while jobs of ours wait: for what they wait."""
        found = parse_qstat(await self._ask(["qstat", "-xml", "-r", "-s", "prs", "-u", getpass.getuser()]))
        stuck = [
            job for job, status in found.items()
            if status.state is not State.RUNNING and status.tag.startswith(tag())
        ]  # fmt: skip
        if stuck:
            try:
                numbers = dict.fromkeys(job.partition(".")[0] for job in stuck)
                reasons = parse_reasons(await self._ask(["qstat", "-xml", "-j", ",".join(numbers)]))
            except Refused:  # one of them has just gone
                reasons = {}
            found |= {job: _because(found[job], reasons.get(job.partition(".")[0], "")) for job in stuck}
        broken = [job for job in stuck if found[job].state is State.FAILED]
        await self.cancel(broken)  # a job in Grid Engine's error state stays in the queue for ever
        return found

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """One ``qacct`` for all jobs of ours, where accounts are kept; they lag behind by up to fifteen seconds."""
        if not ids or not self._accounting:
            return {}
        try:
            text = await self._ask(["qacct", "-j", f"{tag()}*"])
        except Refused as error:
            # Else there are no accounts to be read here, nor tomorrow.
            self._accounting = bool(re.search(r"not found|no jobs running since startup", str(error)))
            return {}
        return {job: status for job, status in parse_qacct(text).items() if job in ids}

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """``qdel``: Grid Engine kills at once; a job's own TMPDIR goes with it."""
        if not ids:
            return
        with forgiving(_GONE):
            await self._ask(["qdel", *ids])

    async def limits(self) -> list[QueueLimits]:
        """``qhost`` for what the hosts of each queue have, ``qconf`` for its walltime."""
        hosts = await self._ask(["qhost", "-q", "-xml"])
        try:
            settings = await self._ask(["qconf", "-sq", "*"])
        except Refused:  # not for everybody
            settings = ""
        return parse_limits(hosts, settings)

    async def estimate(self, job: Job) -> datetime | None:
        """Grid Engine does not tell."""
        return None

    async def _ask(self, argv: list[str], text: str = "") -> str:
        return await output(argv, system="gridengine", text=text, timeout=self._timeout, unreachable=_UNREACHABLE)


def _start(job: Job) -> str:
    """The lines that start each of a job's several nodes: on each of its hosts as many as it has slots for."""
    return "\n".join([
        "hosts=()",
        "while read -r host slots _; do",
        f"    for ((; slots >= {job.kind.cores or 1}; slots -= {job.kind.cores or 1})); do hosts+=(\"$host\"); done",
        'done <"$PE_HOSTFILE"',
        f'if [ "${{#hosts[@]}}" -lt {job.nodes} ]; then',
        f'    echo "pilothouse: the slots of this job are for ${{#hosts[@]}} nodes, not {job.nodes}:" >&2',
        '    cat "$PE_HOSTFILE" >&2',
        "    exit 1",
        "fi",
        TRAP,
        f"for ((rank = 0; rank < {job.nodes}; rank++)); do",
        '    if [ "${hosts[rank]}" = "${hosts[0]}" ]; then',
        f'        /bin/bash "${EACH}" "$rank" &',
        "    else",
        f'        qrsh -inherit -nostdin -V "${{hosts[rank]}}" /bin/bash "$(printf %q "${EACH}")" "$rank" &',
        "    fi",
        "done",
        WAIT,
    ])  # fmt: skip


def parse_qstat(text: str) -> dict[str, JobStatus]:
    """``qstat -xml -r``: the jobs that run and those that wait."""
    try:
        jobs: list[ElementTree.Element | str] = list(_tree(text, "qstat").iter("job_list"))
    except Unavailable:  # a name may have broken it: each job by itself
        jobs = list(re.findall(r"<job_list.*?</job_list>", text, re.DOTALL))
        if not jobs:
            raise
    found = readable(jobs, _job, "qstat", "jobs", _shown)
    return {job: status for members in found for job, status in members.items()}


def _job(listed: ElementTree.Element | str) -> dict[str, JobStatus]:
    """A job, or members of an array: those that wait are listed together. Of one that can't be ours, one is enough."""
    job = _tree(listed, "qstat") if isinstance(listed, str) else listed
    word, host = _text(job, "state"), _text(job, "queue_name").rpartition("@")[2]
    state = _state(word)
    started = _text(job, "JAT_start_time")
    walltime = _limit(next((each.text or "" for each in job.iter("hard_request") if each.get("name") == "h_rt"), ""))
    submitted = _text(job, "JB_submission_time")  # of those that wait
    ends = None
    if state is State.RUNNING and started and walltime:
        ends = datetime.fromisoformat(started).astimezone(UTC) + timedelta(seconds=walltime)
    number, name, tasks = (_text(job, each) for each in ("JB_job_number", "JB_name", "tasks"))
    status = JobStatus(
        state, _word(word), host=host if state is State.RUNNING else "", tag=name, ends=ends,
        submitted=datetime.fromisoformat(submitted).astimezone(UTC) if submitted else None,
    )  # fmt: skip
    members = list(_tasks(tasks)) if tasks else []
    if not members or members[-1] > TOGETHER:
        return {number: status}
    return {f"{number}.{task}": replace(status, tag=member(name, task - 1)) for task in members}


def _tasks(text: str) -> Iterator[int]:
    """``"3"``, ``"1-10:1"``, ``"2,5-7:1"``."""
    for part in text.split(","):
        first, _, rest = part.partition("-")
        last, _, step = rest.partition(":")
        yield from range(int(first), int(last or first) + 1, int(step or 1))


def _shown(listed: ElementTree.Element | str) -> str:
    return listed if isinstance(listed, str) else ElementTree.tostring(listed, "unicode")


def parse_reasons(text: str) -> dict[str, str]:
    """``qstat -xml -j``: why each job waits, or what went wrong when it should have started."""
    tree = _tree(text, "qstat")
    said: dict[str, list[str]] = {}
    for job in tree.iterfind("djob_info/element"):
        said[_text(job, "JB_job_number")] = [
            re.sub(r"^[\d/]+ [\d:]+ (\[[\d:]+\]: )?", "", message.text or "") for message in job.iter("QIM_message")
        ]
    for message in tree.iterfind("messages/element/SME_message_list/element"):
        for number in message.iter("ULNG_value"):
            said.setdefault(number.text or "", []).append(_text(message, "MES_message"))
    # What is true of all queues is said once, whether or not it is why a job waits: for those without a better reason.
    everywhere = [
        _text(message, "MES_message") for message in tree.iterfind("messages/element/SME_global_message_list/element")
    ]
    return {job: _meaning(messages) or _meaning(everywhere) for job, messages in said.items()}


def parse_qacct(text: str) -> dict[str, JobStatus]:
    """``qacct -j``: blocks of names and values."""
    found = {}
    for block in re.split(r"(?m)^=+\s*$", text):
        values = {name: value.strip() for name, _, value in (line.partition(" ") for line in block.split("\n"))}
        if "jobnumber" not in values or "exit_status" not in values:
            continue
        status = int(re.match(r"\d*", values["exit_status"])[0] or 0)  # type: ignore[index]  # matches always
        code, _, what = values.get("failed", "0").partition(":")
        exit_code = 128 - status if status > 128 else status
        reasons = []
        if code.strip() == "37":
            reasons.append("its walltime or another limit was reached")
        elif code.strip() not in ("", "0", "100"):  # 100: it was killed, as its exit code says
            reasons.append(what.strip())
        if exit_code:
            reasons.append(f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}")
        state = State.FAILED if reasons else State.FINISHED
        number, name, task = (values.get(each, "") for each in ("jobnumber", "jobname", "taskid"))
        if task.isdecimal():
            number, name = f"{number}.{task}", member(name, int(task) - 1)
        found[number] = JobStatus(
            state,
            ", ".join(reasons),
            host=values.get("hostname", ""),
            tag=name,
            exit_code=exit_code,
        )
    return found


def parse_limits(hosts: str, settings: str) -> list[QueueLimits]:
    """``qhost -q -xml`` and ``qconf -sq``: the queues for batch jobs."""
    walltimes: dict[str, float | None] = {}
    for block in re.split(r"(?m)^(?=qname\s)", settings.replace("\\\n", " ")):
        values = dict(line.split(None, 1) for line in block.split("\n") if len(line.split(None, 1)) == 2)
        if "qname" in values:
            walltimes[values["qname"].strip()] = _limit(values.get("h_rt", ""))
    found: dict[str, QueueLimits] = {}
    for host in _tree(hosts, "qhost").iter("host"):
        memory = _size(_value(host, "hostvalue", "mem_total"))
        for each in host.iter("queue"):
            name = each.get("name", "")
            if "B" not in _value(each, "queuevalue", "qtype_string") and "P" not in _value(
                each, "queuevalue", "qtype_string"
            ):
                continue
            queue = found.setdefault(name, QueueLimits(name=name, walltime=walltimes.get(name), available=False))
            queue.cores = max(queue.cores or 0, int(_value(each, "queuevalue", "slots") or 0))
            queue.memory = ByteSize(max(queue.memory or 0, memory)) or None
            closed = set(_value(each, "queuevalue", "state_string")) & set("dDuEsSCo")
            queue.available = queue.available or not closed
    return list(found.values())


def _tree(text: str, command: str) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(_NO_XML.sub("\ufffd", text))  # noqa: S314  # the batch system's own answer
    except ElementTree.ParseError as error:
        raise Unavailable(f"{command} printed something else than XML ({error}): {text.strip()[:200]!r}") from None


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _value(element: ElementTree.Element, kind: str, name: str) -> str:
    return next(((each.text or "").strip() for each in element.findall(kind) if each.get("name") == name), "")


def _state(letters: str) -> State:
    if "E" in letters:
        return State.FAILED
    return State.PENDING if "q" in letters else State.RUNNING


def _word(letters: str) -> str:
    if "E" in letters:
        return "Grid Engine could not start it"
    if "d" in letters:
        return "being deleted"
    if "q" in letters:
        return "held" if "h" in letters else ""
    return "suspended" if set(letters) & set("sST") else ""


def _because(status: JobStatus, reason: str) -> JobStatus:
    if not reason:
        return status
    failed = status.state is State.FAILED
    return replace(status, reason=f"{status.reason}: {reason}" if failed else reason)


def _meaning(messages: Iterable[str]) -> str:
    meant = []
    for message in messages:
        if _BESIDE_THE_POINT.search(message):
            continue
        for pattern, words in MEANING:
            if match := re.search(pattern, message):
                meant.append(match.expand(words))
                break
        else:
            meant.append(message)
    return "; ".join(list(dict.fromkeys(meant))[:3])


def _limit(text: str) -> float | None:
    """``"1:00:00"`` or seconds, the first of ``"1:00:00,[host=2:00:00]"``; None for INFINITY."""
    parts = text.split(",")[0].strip().split(":")
    if not all(part.isdecimal() for part in parts):
        return None
    return float(sum(int(part) * 60**power for power, part in enumerate(reversed(parts))))


def _size(text: str) -> int:
    """``"23.5G"`` in bytes: Grid Engine's capitals are powers of 1024."""
    match = re.fullmatch(r"([\d.]+)([KMGTkmgt]?)", text)
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")) if match else 0
