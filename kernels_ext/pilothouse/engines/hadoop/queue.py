"""YARN as a batch system: each node of a pilot is an application, whose master is the node.

An application is a job by itself: the ResourceManager knows its name, its state, why it waits and how it ended, and
ends it when asked, whoever asks; nothing of ours has to live beside it. Its master's container holds the job script,
in which :mod:`pilothouse.engines.hadoop.master` runs the node and speaks for it. An application master of a whole
pilot, managed or not, would be one more process that can be lost, and all of the pilot's nodes with it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ByteSize

from pilothouse.engines.hadoop.cluster import APPLICATION, MIB, Application, Cluster, Resource
from pilothouse.engines.hadoop.conf_dir import conf_dir
from pilothouse.errors import InvalidInput, NotFound, PilothouseError, Refused, Unavailable
from pilothouse.pilots.queues.job_script import job_script, own_log, write_program
from pilothouse.pilots.queues.protocols import Job, JobStatus
from pilothouse.pilots.sites.interfaces import loopback
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.registry.records import State

#: What our applications are called by kind.
KIND = "PILOTHOUSE"
#: Bytes that a node's master needs beside the node: a Python and a Java.
MASTER = 256 * MIB
#: Seconds between two looks at an application that is being taken, or is to end.
LOOK_S = 0.1
#: Walltimes are the master's to keep: a tag tells others of it.
_WALLTIME = "walltime="
WAITING = {"NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED"}
ENDED = {"FINISHED", "FAILED", "KILLED"}
#: Variables of ours that the master needs as they are here.
_OURS = ("PILOTHOUSE_CACHE", "PILOTHOUSE_JARS", "PILOTHOUSE_JAVA", "XDG_CACHE_HOME", "HADOOP_USER_NAME")
#: What YARN's longer reasons mean; others are shown as they are.
MEANING = (
    ("AM resource limit exceeded", "the queue's share for application masters, which nodes are, is used up"),
    ("waiting for resources to be assigned", "no node that fits is free"),
    ("waiting for AM container to be launched", "its container is being started"),
    ("not yet activated", "the queue takes no more applications now"),
)
#: Exit codes that are YARN's own words (ContainerExitStatus).
OWN_CODES = {
    -100: "its container was released, or its node was lost", -101: "its node's disks failed",
    -102: "its container was preempted", -103: "it used more virtual memory than it had asked for",
    -104: "it used more memory than it had asked for", -105: "ended by its master", -106: "ended by YARN",
    -107: "ended by YARN", -108: "its container was not started in time",
}  # fmt: skip
_T = TypeVar("_T")


class YarnQueue:
    """The YARN cluster of the site's ``conf_dir``, or of ``$HADOOP_CONF_DIR``."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._cluster: Cluster | None = None

    def script(self, job: Job) -> str:
        """What the container runs."""
        _check(job)
        # Containers have a home of YARN's invention: without one, ~ is the user's own.
        lines = [own_log(job), "unset HOME; export HOME=~"]
        lines += [f"export HADOOP_CONF_DIR={shlex.quote(str(conf_dir(self._site.conf_dir).absolute()))}"]
        lines += [f"export {name}={shlex.quote(os.environ[name])}" for name in _OURS if name in os.environ]
        master = [job.site.python or sys.executable, "-m", "pilothouse.engines.hadoop.master"]
        master += ["--grace", f"{job.site.grace:g}"]
        if job.kind.walltime:
            master += ["--walltime", f"{job.kind.walltime:g}"]
        return job_script(replace(job, command=[*master, "--", *job.command]), "\n".join(lines))

    async def submit(self, job: Job) -> str:
        """Hand over an application. Its script is a file beside the log: the container is told that alone."""
        script, path = self.script(job), Path(f"{job.log}.sh")
        if job.after:
            raise Refused("YARN can't have a job wait for another to end")
        await asyncio.to_thread(_ready, job.site)
        await write_program(path, script)
        return await self._ask(lambda cluster: self._submit(cluster, job, path))

    async def poll(self) -> dict[str, JobStatus]:
        """One question; applications that have ended are listed for as long as YARN remembers them."""
        listed = await self._ask(lambda cluster: cluster.applications(user=cluster.user, kind=KIND))
        return {application.id: status(application) for application in listed}

    async def history(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Each by itself."""

        def look(cluster: Cluster) -> dict[str, JobStatus]:
            found = {}
            for number in filter(APPLICATION.fullmatch, ids):
                try:
                    found[number] = status(cluster.application(number))
                except NotFound:
                    continue
            return {number: known for number, known in found.items() if known.state.ended}

        return await self._ask(look)

    async def cancel(self, ids: Sequence[str], grace: float = 2.0) -> None:
        """Those that run are told to end, and what has not after `grace` seconds is killed."""
        await self._ask(lambda cluster: _end(cluster, ids, grace))

    async def limits(self) -> list[QueueLimits]:
        """The scheduler's queues; what a job may have is the same in all."""

        def look(cluster: Cluster) -> list[QueueLimits]:
            queues, (_, most) = cluster.queues(), cluster.new_application()
            names = [queue.name for queue in queues]
            return [
                QueueLimits(
                    name=queue.name if names.count(queue.name) == 1 else queue.path,
                    default=queue.name == "default", available=queue.available, cores=most.cores,
                    memory=ByteSize(max(most.memory - MASTER, 0)), gpus=0,
                )
                for queue in queues
            ]  # fmt: skip

        return await self._ask(look)

    async def interface(self) -> str:
        """The loopback interface, where all of the cluster is there: a YARN that a local pilot has started."""
        there = await self._ask(lambda cluster: [node.host for node in cluster.nodes() if node.state == "RUNNING"])
        inside = there and all(await asyncio.to_thread(lambda: [_inside(host) for host in set(there)]))
        return loopback() if inside else ""

    async def estimate(self, job: Job) -> datetime | None:  # noqa: ARG002 - the protocol's
        """YARN predicts nothing."""
        return None

    # ------------------------------------------------------------------ the cluster

    async def _ask(self, question: Callable[[Cluster], _T]) -> _T:
        try:
            if self._cluster is None:
                self._cluster = await asyncio.to_thread(Cluster.of, self._site.conf_dir, timeout=self._site.timeout)
            return await asyncio.to_thread(question, self._cluster)
        except (LookupError, TypeError, ValueError) as error:
            raise Unavailable(f"YARN's answer can't be understood: {error!r}") from None

    def _submit(self, cluster: Cluster, job: Job, script: Path) -> str:
        number, most = cluster.new_application()
        resource = container(job, most)
        cluster.submit(application(number, job, resource, script))
        deadline = time.monotonic() + self._site.timeout
        while time.monotonic() < deadline:  # what is wrong with it is said later
            found = cluster.application(number)
            if found.state in ("FAILED", "KILLED") and not found.launched:
                raise Refused(f"YARN: {found.diagnostics.strip()}")
            if found.state not in ("NEW", "NEW_SAVING", "SUBMITTED"):
                break
            time.sleep(LOOK_S)
        return number


def _inside(host: str) -> bool:
    """Whether only this host itself reaches it by that name."""
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def _check(job: Job) -> None:
    """Refuse what YARN has not, rather than leave it out."""
    kind = job.kind
    for field, value in (("gpus", kind.gpus), ("exclusive", kind.exclusive), ("directives", kind.directives)):
        if value:
            raise InvalidInput(f"{field}={value!r}: jobs on YARN have no such thing; leave it out", field=field)
    if account := job.description.account:
        raise InvalidInput(f"account={account!r}: YARN has no accounts; its queues are what pays", field="account")


def _ready(site: Site) -> None:
    """See that the masters of nodes will find what they need; jars are fetched here, where there is a network."""
    from pilothouse.engines.hadoop.client_jars import client_jars

    if not site.python and find_spec("jpype") is None:
        raise Unavailable(
            'nodes on YARN speak with it through JPype, which is not installed: pip install "pilothouse[yarn]"'
        )
    client_jars()


def container(job: Job, most: Resource) -> Resource:
    """What the container of `job` is to have: its node and the master.

    Without a memory of its own, a node has a share of the largest container, by its cores.

    Raises
    ------
    Refused
        No container may be so large.
    """
    cores = job.kind.cores or 1
    memory = int(job.kind.memory) + MASTER if job.kind.memory else most.memory * cores // max(most.cores, cores)
    if cores > most.cores or memory > most.memory:
        raise Refused(
            f"YARN: a container has {most.cores} cores and {ByteSize(most.memory).human_readable()} at most here, of "
            f"which {ByteSize(MASTER).human_readable()} are its master's; the job wants {cores} cores and "
            f"{ByteSize(max(memory - MASTER, 0)).human_readable()}"
        )
    return Resource(max(memory, MASTER), cores)


def application(number: str, job: Job, resource: Resource, script: Path) -> dict[str, Any]:
    """What the REST interface is given."""
    wanted: dict[str, Any] = {
        "application-id": number,
        "application-name": job.tag,
        "application-type": KIND,
        "max-app-attempts": 1,  # the pilot has it replaced
        "application-tags": {"tag": [f"{_WALLTIME}{job.kind.walltime or 0:.0f}"]},
        "resource": {"memory": resource.memory // MIB, "vCores": resource.cores},
        "am-container-spec": {
            "commands": {"command": f"exec /bin/bash {_quoted(script)}"},
            # What is left for the node: no process of it could find that out.
            "environment": {
                "entry": [{"key": "PILOTHOUSE_NODE_MEMORY", "value": str(max(resource.memory - MASTER, MIB))}]
            },
        },
    }
    if job.kind.queue:
        wanted["queue"] = job.kind.queue
    if job.kind.constraint:
        wanted["app-node-label-expression"] = wanted["am-container-node-label-expression"] = job.kind.constraint
    return wanted


def _quoted(path: Path) -> str:
    """For ``bash -c "…"``, which YARN makes of a command."""
    return re.sub(r'([\\"$`])', r"\\\1", shlex.quote(str(path)))


def _end(cluster: Cluster, ids: Sequence[str], grace: float) -> None:
    left = [number for number in ids if APPLICATION.fullmatch(number)]
    told = []
    for number in left:
        try:
            found = cluster.application(number)
            if found.state not in ENDED and found.launched and found.container:
                cluster.signal(found.container)
                told.append(number)
        except Unavailable:
            raise
        except PilothouseError:  # it is not known; or such a YARN has no such signals: it is killed
            continue
    deadline = time.monotonic() + grace
    while told and time.monotonic() < deadline:
        time.sleep(LOOK_S)
        told = [number for number in told if not _has_ended(cluster, number)]
    for number in left:
        cluster.kill(number)


def _has_ended(cluster: Cluster, number: str) -> bool:
    try:
        return cluster.application(number).state in ENDED
    except NotFound:
        return True


# ---------------------------------------------------------------------- what it says


def status(found: Application) -> JobStatus:
    """An application as a job."""
    state, code = _state(found), exit_code(found.diagnostics) if found.state in ENDED else None
    if state is State.FINISHED:
        code = 0
    ends = None
    if state is State.RUNNING and found.launched:
        walltime = next((tag for tag in found.tags if tag.startswith(_WALLTIME)), "").removeprefix(_WALLTIME)
        ends = found.launched + timedelta(seconds=int(walltime)) if walltime.isdecimal() and int(walltime) else None
    return JobStatus(
        state, _reason(found, state), host=found.host, tag=found.name, ends=ends, exit_code=code,
        submitted=found.submitted,
    )  # fmt: skip


def _state(found: Application) -> State:
    if found.state in WAITING:  # a node runs while its master registers
        return State.RUNNING if found.launched else State.PENDING
    if found.state not in ENDED:
        return State.RUNNING
    return State.FINISHED if found.state == "FINISHED" and found.final == "SUCCEEDED" else State.FAILED


def exit_code(diagnostics: str) -> int | None:
    """How a job ended, of what its master said, or of what YARN says of a container that had none; None: not said."""
    if said := re.fullmatch(r"(exit code|signal) (\d+)", diagnostics.strip()):
        return int(said[2]) if said[1] == "exit code" else -int(said[2])
    if (number := _container_code(diagnostics)) is None or number < 0:
        return None
    return 128 - number if 128 < number <= 128 + 64 else number


def _container_code(diagnostics: str) -> int | None:
    said = re.search(r"exitCode: (-?\d+)", diagnostics)
    return int(said[1]) if said else None


def _reason(found: Application, state: State) -> str:
    """For people: why it waits, or how it ended."""
    if state in (State.RUNNING, State.FINISHED):
        return ""
    said = " ".join(found.diagnostics.split())
    if state is State.PENDING:
        said = re.sub(r"^\[[^\]]*\] ", "", said).partition(" Details :")[0].strip()
        meaning = next((meaning for words, meaning in MEANING if words in said), "")
        return f"{meaning} ({said.rstrip('.')})" if meaning else said
    number = _container_code(said)
    if number is None:
        return said or found.state.lower()
    if number in OWN_CODES:
        return OWN_CODES[number]
    code = exit_code(said)
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {number}"
