"""PSI/J: batch systems that it knows and we don't (Cobalt), or know ourselves too (``system = "psij:slurm"``).

Of PSI/J's executors (0.9.11) we take how a job is written, submitted, asked for and cancelled, and run the commands
ourselves. Its own thread for polling would take a command that fails for the failure of all jobs, and a job that is
not listed for one that has ended well; neither has it time limits, nor does a process learn of jobs of another. What
PSI/J does not tell (names, hosts, ends) is kept beside its files, in ``psij`` of the state folder.
"""

from __future__ import annotations

import asyncio
import functools
import getpass
import importlib
import io
import json
import re
import shlex
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.errors import InvalidInput, Refused, Unavailable
from pilothouse.pilots.queues.commands import output
from pilothouse.pilots.queues.job_script import job_script, own_log, plain, write_program
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.queues.surroundings import inherited
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State
from pilothouse.state import home, write_atomic

#: Seconds for which jobs that have ended are still listed; then their files go.
LISTED_S = 600
#: Executor -> its option by which a job waits for another to end.
AFTER = {
    "slurm": ("dependency", "afterany:{}"),
    "pbs": ("W", "depend=afterany:{}"),
    "pbs_classic": ("W", "depend=afterany:{}"),
    "lsf": ("w", "ended({})"),
}
#: Executors that are none of PSI/J's own kind for batch systems: they need more than commands.
OTHERS = {"flux", "local", "rp"}
_GONE = re.compile(r"[Ii]nvalid job id|not found|[Uu]nknown [Jj]ob|finished|already|completing or completed")
#: With which signal such a job was ended says no more, and is known sooner or later than that it was.
_OVER = re.compile(r"time ?limit|wall ?time", re.IGNORECASE)
_DIRECTIVE = re.compile(r"-{0,2}([A-Za-z][\w-]*)(?:[= ]\s*(.*))?")


class PSIJQueue:
    """The batch system that the site's ``system`` names after ``psij:``."""

    def __init__(self, site: Site) -> None:
        self._name = site.system.partition(":")[2]
        self._timeout = site.timeout

    def script(self, job: Job) -> str:
        """PSI/J's script; below it, the program that it starts."""
        return f"{self._outer(job)}\n# {_program(job)}:\n{_inner(job)}"

    async def submit(self, job: Job) -> str:
        """PSI/J's script to the batch system's own command."""
        executor = self._executor()
        program, folder = _program(job), self._folder()
        text = self._outer(job)
        path = executor.work_directory / f"{uuid.uuid4()}.job"
        await write_program(program, _inner(job))
        try:
            await asyncio.to_thread(_write_script, path, text, _began(job.log))
        except OSError as error:
            raise Unavailable(f"the job script of {job.name} can't be written: {error.strerror or error}") from None
        try:
            said = await self._run(executor.get_submit_command(None, path))
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        try:
            number = str(executor.job_id_from_submit_output(said))
        except Exception:  # noqa: BLE001 - whatever a parser of PSI/J stumbles over
            number = ""
        if not re.fullmatch(r"\d+(\[\d*\])?(\.[\w.-]+)?", number):
            raise Unavailable(f"{self._name} answered {said.strip()[:200]!r} in place of a job's number")
        known = {"tag": job.tag, "log": str(job.log), "walltime": job.kind.walltime or 0.0}
        await asyncio.to_thread(write_atomic, folder / f"{number}.json", json.dumps(known).encode())
        return number

    async def poll(self) -> dict[str, JobStatus]:
        """One command for all jobs that were submitted through PSI/J from this state folder."""
        known = await asyncio.to_thread(self._known)
        going_on = [job for job, facts in known.items() if "ended" not in facts]
        said = await self._ask(going_on)
        return await asyncio.to_thread(self._statuses, known, said)

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """What was seen of their ends; else the exit codes that PSI/J's script has written, if it came to that."""
        return await asyncio.to_thread(self._ends, ids)

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """The batch system's own command, once for each job."""
        await asyncio.gather(*map(self._cancel, ids))

    async def limits(self) -> list[QueueLimits]:
        """PSI/J does not know any: say them in a site file."""
        return []

    async def estimate(self, job: Job) -> datetime | None:
        """PSI/J does not tell."""
        return None

    def _known(self) -> dict[str, dict[str, Any]]:
        return {path.stem: facts for path in self._folder().glob("*.json") if (facts := _facts(path))}

    def _statuses(self, known: dict[str, dict[str, Any]], said: dict[str, Any]) -> dict[str, JobStatus]:
        found = {}
        for job, facts in known.items():
            if job in said and "ended" not in facts:
                found[job] = self._status(job, facts, said[job])
                if found[job].state.ended:
                    self._remember(job, facts, found[job])
            elif "ended" in facts:
                found[job] = _remembered(facts)
                if time.time() - facts["ended"] > LISTED_S:
                    self._forget(job, facts)
        return found

    def _ends(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        found = {}
        for job in ids:
            facts = _facts(self._folder() / f"{job}.json")
            if not facts:
                continue
            if "ended" not in facts:
                code = self._exit_code(job)
                if code is None:
                    continue
                status = JobStatus(
                    State.FAILED if code else State.FINISHED, _why(code, ""), tag=facts["tag"], exit_code=code
                )
                facts = self._remember(job, facts, status)
            found[job] = _remembered(facts)
        return found

    async def _cancel(self, job: str) -> None:
        try:
            await self._run(self._executor().get_cancel_command(job))
        except Refused as error:
            if not _GONE.search(str(error)):
                raise

    async def _ask(self, ids: Sequence[str]) -> dict[str, Any]:
        executor = self._executor()
        command = executor.get_status_command(ids) if ids else executor.get_list_command()
        try:
            text = await self._run(command)
            return dict(executor.parse_status_output(0, text)) if ids else {}
        except Refused as error:
            if _GONE.search(str(error)):  # a batch system that is asked for one job that it has forgotten
                return {}
            raise Unavailable(str(error)) from None
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a parser of PSI/J stumbles over
            raise Unavailable(
                f"{command[0]} printed something else than PSI/J expects ({type(error).__name__}: {error})"
            ) from None

    async def _run(self, argv: list[str]) -> str:
        return await output(argv, system=self._name, timeout=self._timeout)

    def _status(self, job: str, facts: dict[str, Any], said: Any) -> JobStatus:
        name, message = str(said.state.name), str(said.message or "").rstrip(".")
        began, host = _start(facts["log"])
        ends = began + timedelta(seconds=facts["walltime"]) if began and facts["walltime"] else None
        if name in ("NEW", "QUEUED"):
            return JobStatus(State.PENDING, message, tag=facts["tag"])
        if name == "ACTIVE":
            return JobStatus(State.RUNNING, host=host, tag=facts["tag"], ends=ends)
        code = self._exit_code(job) if name != "CANCELED" else None
        good = name == "COMPLETED" and not code
        why = "cancelled" if name == "CANCELED" else _why(code, message if name == "FAILED" else "")
        return JobStatus(
            State.FINISHED if good else State.FAILED, why, host=host, tag=facts["tag"],
            exit_code=0 if good and code is None else code,
        )  # fmt: skip

    def _exit_code(self, job: str) -> int | None:
        """What PSI/J's script has written, in a file that is called after the job."""
        try:
            code = int((self._executor().work_directory / f"{job}.ec").read_text())
        except (OSError, ValueError):
            return None
        return 128 - code if code > 128 else code

    def _remember(self, job: str, facts: dict[str, Any], status: JobStatus) -> dict[str, Any]:
        facts = {
            **facts, "ended": time.time(), "state": status.state.value, "reason": status.reason,
            "host": status.host, "exit_code": status.exit_code,
        }  # fmt: skip
        write_atomic(self._folder() / f"{job}.json", json.dumps(facts).encode())
        return facts

    def _forget(self, job: str, facts: dict[str, Any]) -> None:
        work = self._executor().work_directory
        mine = [work / f"{job}.{suffix}" for suffix in ("ec", "out", "nodefile")]
        for path in [self._folder() / f"{job}.json", _began(facts["log"]), *mine]:
            path.unlink(missing_ok=True)

    def _folder(self) -> Path:
        folder = home() / "psij" / "jobs" / self._name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _executor(self) -> Any:
        return _executor(self._name, home() / "psij")

    def _outer(self, job: Job) -> str:
        executor, kind = self._executor(), job.kind
        psij = importlib.import_module("psij")
        if not plain(str(home())):
            raise InvalidInput(
                f"site={job.site.name!r}: PSI/J can't write scripts for the state folder {str(home())!r}; take one of"
                " letters, digits and _./+=@- (PILOTHOUSE_HOME)",
                field="site",
            )
        said = inherited(self._name)
        everything = said.pop("--export", "ALL").startswith("ALL")
        options = {option.lstrip("-"): value for option, value in said.items() if option.startswith("-")}
        options |= dict(map(_directive, kind.directives or []))
        if kind.constraint:
            if self._name != "slurm":
                raise InvalidInput(
                    f"constraint={kind.constraint!r}: PSI/J has no word for it; say it as a directive of {self._name}",
                    field="constraint",
                )
            options["constraint"] = kind.constraint
        if job.after:
            if self._name not in AFTER:
                raise Refused(f"PSI/J can't have a job of {self._name} wait for the end of another")
            option, value = AFTER[self._name]
            options[option] = value.format(job.after)
        resources = psij.ResourceSpecV1(
            node_count=1,
            processes_per_node=1,
            cpu_cores_per_process=kind.cores or 1,
            gpu_cores_per_process=kind.gpus or None,
            exclusive_node_use=bool(kind.exclusive),
            memory=int(kind.memory) if kind.memory else None,
        )
        attributes = psij.JobAttributes(
            queue_name=kind.queue or said.get("queue"),
            account=job.description.account or said.get("account"),
            custom_attributes={f"{self._name}.{option}": value for option, value in options.items()},
        )
        if kind.walltime:
            attributes.duration = timedelta(seconds=int(kind.walltime))
        spec = psij.JobSpec(
            "/bin/bash", [str(_program(job))], directory=job.log.parent, name=job.tag,
            resources=resources, attributes=attributes, launcher="single", inherit_environment=everything,
        )  # fmt: skip
        written = io.StringIO()
        submitted = psij.Job(spec)
        executor.generate_submit_script(submitted, executor._create_script_context(submitted), written)  # noqa: SLF001 - PSI/J's submit() is all that calls it
        return re.sub(r"\n{3,}", "\n\n", written.getvalue())


@functools.cache
def _executor(name: str, folder: Path) -> Any:
    """PSI/J's executor. Its thread for polling sleeps: it is told to begin in a year."""
    try:
        psij = importlib.import_module("psij")
        batch = importlib.import_module("psij.executors.batch.batch_scheduler_executor")
    except ImportError as error:
        raise Unavailable(f"{error}: pip install 'pilothouse[psij]'", field="site") from None
    names = sorted(set(psij.JobExecutor.get_executor_names()) - OTHERS)
    if name not in names:
        raise InvalidInput(
            f"system='psij:{name}': PSI/J has no batch system of that name; it has {', '.join(names)}", field="system"
        )
    config = batch.BatchSchedulerExecutorConfig(work_directory=folder, initial_queue_polling_delay=366 * 86_400)
    executor = psij.JobExecutor.get_instance(name, config=config)
    executor._current_user = getpass.getuser  # noqa: SLF001 - os.getlogin() fails in processes without a terminal
    return executor


def _facts(path: Path) -> dict[str, Any]:
    """What is kept of a job; nothing where another process has just cleared it away."""
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Unavailable(f"{path} can't be read: {error}") from None


def _program(job: Job) -> Path:
    return Path(f"{job.log}.sh")


def _write_script(path: Path, text: str, began: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    began.unlink(missing_ok=True)
    path.write_text(text)


def _began(log: str | Path) -> Path:
    return Path(f"{log}.began")


def _inner(job: Job) -> str:
    """The program: it writes its log, and when and where it began."""
    return job_script(job, f'{own_log(job)}\necho "$(date +%s) $(hostname)" >{shlex.quote(str(_began(job.log)))}')


def _start(log: str) -> tuple[datetime | None, str]:
    try:
        seconds, host = _began(log).read_text().split()
        return datetime.fromtimestamp(int(seconds), UTC), host
    except (OSError, ValueError):
        return None, ""


def _remembered(facts: dict[str, Any]) -> JobStatus:
    return JobStatus(
        State(facts["state"]), facts["reason"], host=facts["host"], tag=facts["tag"], exit_code=facts["exit_code"]
    )


def _why(code: int | None, message: str) -> str:
    parts = [message] if message else []
    if code and not (code < 0 and _OVER.search(message)):
        parts.append(f"signal {-code}" if code < 0 else f"exit code {code}")
    return ", ".join(parts)


def _directive(line: str) -> tuple[str, str]:
    match = _DIRECTIVE.fullmatch(line.strip())
    if not match:
        raise InvalidInput(
            f"directives={line!r}: PSI/J takes one option with its value, such as '--reservation=maintenance'",
            field="directives",
        )
    return match[1], match[2] or ""
