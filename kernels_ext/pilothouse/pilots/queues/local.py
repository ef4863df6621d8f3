"""The queue that every computer has: a job is a process group of this host.

Jobs are forked from a template, a process that has imported Dask already, for that import is most of what a
node's start costs. The supervisor makes the template by forking itself before it has threads or a loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import psutil

from pilothouse import remains
from pilothouse.errors import Refused
from pilothouse.pilots.queues.job_script import job_script
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.sites.site import QueueLimits
from pilothouse.registry.records import State
from pilothouse.state import utcnow

#: How a node is called among processes.
_NODE = "pilothouse-node"


class LocalQueue:
    """Jobs are descendants of the supervisor; they start at once and can't outlive it by more than seconds.

    Parameters
    ----------
    template
        From :func:`fork_template`.
    after_death
        Awaited with a node's name and process number when it has died without a word.
    """

    def __init__(self, template: socket.socket, after_death: Callable[[str, int], Awaitable[None]]) -> None:
        self._after_death = after_death
        self._template = template
        self._jobs: dict[str, Job] = {}
        self._ended: dict[str, int] = {}
        self._clearing: dict[str, asyncio.Task[None]] = {}

    def script(self, job: Job) -> str:
        """What a shell would start; here a process is forked."""
        return job_script(job, "")

    async def submit(self, job: Job) -> str:
        """Start the job's process; its id is the process's."""
        assert job.scratch is not None  # noqa: S101  # the supervisor is on this host
        job.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        request = {
            "arguments": list(job.command[3:]),
            "log": str(job.log),
            "environment": {**job.environment, **job.description.environment.variables},
            "folder": str(job.scratch),
        }
        try:
            pid = str(_exchange(self._template, request)["pid"])
        except (OSError, ValueError) as error:
            raise Refused(f"node {job.name} can't be started: {error}") from None
        self._jobs[pid] = job
        return pid

    async def poll(self) -> dict[str, JobStatus]:
        """The state of the processes. A job has ended when all have that descend from it."""
        self._look()
        host = socket.gethostname()
        found = {}
        for pid, job in list(self._jobs.items()):
            code = self._ended.get(pid)
            if code is not None and pid not in self._clearing:
                self._clearing[pid] = asyncio.create_task(self._clear(pid, job))
            if code is None or not self._clearing[pid].done():
                found[pid] = JobStatus(State.RUNNING, host=host, pid=int(pid), tag=job.tag)
                continue
            del self._jobs[pid], self._clearing[pid]
            why = f"killed by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            state = State.FINISHED if code == 0 else State.FAILED
            found[pid] = JobStatus(state, why, host=host, tag=job.tag, exit_code=code)
        return found

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Of nodes that another supervisor started: nobody can go on with them, and they end by themselves."""
        why = "it ended with the supervisor that started it"
        return {job: JobStatus(State.FAILED, why) for job in ids if not _is_node(job)}

    async def limits(self) -> list[QueueLimits]:
        """There are no queues here."""
        return []

    async def estimate(self, job: Job) -> datetime | None:
        """It would start at once."""
        return utcnow()

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """SIGTERM to the node, SIGKILL to its process group after `grace` seconds."""
        known = [job for job in ids if job in self._jobs]
        for job in known:
            if job not in self._ended:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(job), signal.SIGTERM)
        deadline = asyncio.get_running_loop().time() + grace
        while not self._ended.keys() >= set(known) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
            self._look()
        for pid in known:
            if (clearing := self._clearing.pop(pid, None)) is not None:
                clearing.cancel()
            if (ended := self._jobs.pop(pid, None)) is not None:
                await self._end(pid, ended)

    async def _clear(self, pid: str, job: Job) -> None:
        """A node has died without a word: let its processes save what they have, then end what is left."""
        await self._after_death(job.name, int(pid))
        await self._end(pid, job)

    async def _end(self, pid: str, job: Job) -> None:
        """Nothing of the job stays: neither what it started, in whatever session, nor its folder."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(pid), signal.SIGKILL)
        await asyncio.to_thread(remains.end, lambda: remains.marked(remains.node_mark(job.name, int(pid))), 0.0)
        if job.scratch is not None:
            await asyncio.to_thread(shutil.rmtree, job.scratch, ignore_errors=True)

    def _look(self) -> None:
        """Learn which processes have ended."""
        with contextlib.suppress(OSError, ValueError):  # without its template, a queue knows nothing new
            self._ended.update(_exchange(self._template, {})["ended"])


def _is_node(pid: str) -> bool:
    """Whether the process is (still) a node; another one may have its number by now."""
    try:
        return psutil.Process(int(pid)).name() == _NODE
    except psutil.NoSuchProcess:
        return False


def fork_template(become: Callable[[list[str]], NoReturn], prepare: Callable[[], None] = lambda: None) -> socket.socket:
    """Fork this process, as it is, into a template for nodes; it lives as long as the socket returned.

    Call it before there are threads: a fork takes only one of them along.

    Parameters
    ----------
    become
        What each job's process does, with the arguments of the job's command.
    prepare
        What the template does once, for all of them.
    """
    ours, its = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        prepare()
        _serve(its, become)
    its.close()
    ours.settimeout(30)
    return ours


def _exchange(line: socket.socket, request: dict[str, Any]) -> Any:
    line.sendall(json.dumps(request).encode() + b"\n")
    return json.loads(_read_line(line))


def _read_line(line: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        part = line.recv(1 << 16)
        if not part:
            break
        text += part
    return text


def _serve(line: socket.socket, become: Callable[[list[str]], NoReturn]) -> NoReturn:
    """Be the template: fork nodes, report their ends, go when the supervisor goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name_process("pilothouse-tmpl")
    # A supervisor that is killed in the middle of an exchange leaves a broken one. It must not be this process, which
    # has its frames, that reports the end: the pilot is lost, and can be recovered.
    with contextlib.suppress(OSError, ValueError):
        while text := _read_line(line):
            request = json.loads(text)
            if request:
                pid = os.fork()
                if pid == 0:
                    line.close()
                    _be_node(become, **request)
                answer: dict[str, Any] = {"pid": pid}
            else:
                answer = {"ended": _reap()}
            line.sendall(json.dumps(answer).encode() + b"\n")
    os._exit(0)


def _reap() -> dict[str, int]:
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[str(found[0])] = os.waitstatus_to_exitcode(found[1])
    return ended


def _be_node(
    become: Callable[[list[str]], NoReturn], arguments: list[str], log: str, environment: dict[str, str], folder: str
) -> NoReturn:
    """Turn the forked process into what the job's command line would have started."""
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        name_process(_NODE)
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.environ.update(environment)
        os.chdir(folder)
        if "numpy.random" in sys.modules:  # else all nodes would draw the same numbers
            sys.modules["numpy.random"].seed()
    except BaseException:  # noqa: BLE001 - a fork must not go on in its parent's code
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    become(arguments)


def name_process(name: str) -> None:
    """Name this process for people who look with ``ps`` and ``top`` (Linux, 15 letters)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)
