"""What Spark does on a node: a worker on each, and on one of them the master; when that goes, another takes over."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from pilothouse.engines.jvm.java import java
from pilothouse.engines.protocols import Member
from pilothouse.engines.spark import install
from pilothouse.engines.spark.claims import Claim, Claims, master_of
from pilothouse.engines.spark.pages import asked, closed
from pilothouse.engines.spark.properties import guarded, leaving, write
from pilothouse.errors import InvalidInput, PilothouseError
from pilothouse.state import write_atomic

if TYPE_CHECKING:
    from pilothouse.engines.daemon import Daemon
    from pilothouse.engines.protocols import Place

MIB = 1 << 20
#: Spark refuses executors with less.
LEAST_EXECUTOR = 450 * MIB
#: Seconds for a daemon to answer: nodes may be busy, and their disks cold.
START_S = 120.0
#: Seconds for workers and applications to find a new master; what has not is given up by it.
RECOVERY_S = 5
LOOK_S = 0.1
#: Seconds in which workers hear of a new master.
STRAY_S = 20.0
#: Seconds in which executors hear from their session that they are to leave.
TOLD_S = 2.0
#: How a worker is told to give what its executors have to others, and to begin nothing more.
DECOMMISSION = signal.SIGPWR


class SparkMember(Member):
    """One node of a Spark."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._secret = place.secrets["secret"]
        self._java = java(least=install.LEAST_JAVA)
        self._archive = install.classes(self._java)
        self._heap = int(place.settings["daemon_memory"])
        self._ports = place.ports("master", "master-pages", "worker", "worker-pages")
        self._claims = Claims(place.folder / "masters")
        self._following = threading.Lock()  # figures are asked for beside what else happens
        self._followed, self._past, self._strays = "", set[str](), 0.0
        self._term = 0
        self._master: Daemon | None = None
        self._worker: Daemon | None = None

    # -- coming

    def start(self) -> None:
        """Start the master, where there is none, and a worker; return when the master has counted it."""
        if not self._archive.there:
            self._archive.make_aside()
        (self._place.scratch / "work").mkdir(mode=0o700, exist_ok=True)
        cores, memory = self.share()
        counted = False
        while not counted:
            claim: Claim = self._place.until(self._settled, "a master of Spark", START_S)
            if claim.member == self._place.number and self._master is None:
                self._place.publish(leads=False)  # others may begin, and wait until it does
                self._lead(claim)
            self._follow()
            self._begin_worker()
            counted = self._place.until(functools.partial(self._counted, claim), "Spark's worker", START_S) == "counted"
        self._place.publish(
            worker=f"{self._place.host}:{self._ports['worker']}", cores=cores, memory=memory, **install.here()
        )

    def share(self) -> tuple[int, int]:
        """Cores and bytes of this node's worker.

        Raises
        ------
        InvalidInput
            The node has not what an executor needs.
        """
        settings = self._place.settings
        there = self._place.memory or psutil.virtual_memory().total
        memory = int(settings["memory"] or there // 2)
        least = int(settings["executor_memory"] or LEAST_EXECUTOR)
        if memory < least:
            raise InvalidInput(
                f"memory={memory // MIB} MiB for executors on {self._place.node}, which has {there // MIB} MiB; an "
                f"executor needs {least // MIB} MiB: nodes with more memory, or other memory=... and "
                "executor_memory=... of the service",
                field="memory",
            )
        return int(settings["cores"] or self._place.cores), memory

    def _settled(self) -> Claim | None:
        """The claim that counts, when it is this member's, or the master of another one answers."""
        claim = self._claims.latest()
        if claim is None or not self._is_there(claim.member):
            self._claims.claim(claim, self._place.number)
            claim = self._claims.latest()
        if claim is None or claim.member == self._place.number:
            return claim
        if int(master_of(self._place.members.values()).get("term", 0)) < claim.term:
            return None  # it has not said yet where it is
        return claim if asked(self._master_at()["pages"], self._secret) else None

    def _is_there(self, member: int) -> bool:
        return member == self._place.number or member in self._place.members

    # -- the master

    def _lead(self, claim: Claim) -> None:
        """Have the master here, with all that the one before it knew; return when it serves."""
        self._write("master", {
            **closed(self._secret), "spark.master.rest.enabled": "false", "spark.deploy.recoveryMode": "FILESYSTEM",
            "spark.deploy.recoveryDirectory": str(self._claims.memory(claim)),
            "spark.deploy.recoveryTimeout": str(RECOVERY_S), "spark.worker.timeout": "30",
        })  # fmt: skip
        host, ports = self._place.host, self._ports
        argv = install.daemon(
            self._java, install.MASTER, "--host", host, "--port", str(ports["master"]), "--webui-port",
            str(ports["master-pages"]), heap=self._heap, scratch=self._place.scratch, archived=self._archive,
        )  # fmt: skip
        master = self._place.daemon("master", argv, env=self._surroundings("master"))
        try:
            self._place.until(self._is_alive, "Spark's master", START_S)
        except PilothouseError:
            master.stop()
            raise
        # Not before it is: nobody is to follow a master that does not serve.
        self._master, self._term = master, claim.term
        self._place.publish(**self._own_master(), leads=True)
        if claim.term > 1:
            self._place.event("the master is here now", term=claim.term)

    def _is_alive(self) -> bool:
        """Whether the master here serves: one that takes over hears of workers and applications first."""
        return bool(asked(self._own_master()["pages"], self._secret)["status"] == "ALIVE")

    def _own_master(self) -> dict[str, Any]:
        host = self._place.host
        pages = f"http://{host}:{self._ports['master-pages']}"
        return {"master": f"spark://{host}:{self._ports['master']}", "pages": pages, "term": self._term}

    def _master_at(self) -> Mapping[str, Any]:
        """Where the latest master is, and where its pages are."""
        return self._own_master() if self._leads() else master_of(self._place.members.values())

    def _leads(self) -> bool:
        """Whether the master here is the latest."""
        return self._term > 0 and all(facts.get("term", 0) <= self._term for facts in self._place.members.values())

    def _take_over(self, gone: Collection[int]) -> None:
        """Have the master here if the one that has it is among the `gone`, and no other was sooner."""
        claim = self._claims.latest()
        if claim is None or (self._is_there(claim.member) and claim.member not in gone):
            return
        if self._claims.claim(claim, self._place.number):
            own = Claim(claim.term + 1, self._place.number)
            try:
                self._lead(own)
            except PilothouseError:
                self._claims.withdraw(own)  # the one before goes on, or another may try
                raise
            self._follow()

    def _abdicate(self) -> None:
        """A master that another one has followed is in the way."""
        if self._master is not None and not self._leads():
            self._master.stop()
            self._master, self._term = None, 0
            self._place.publish(leads=False)

    # -- the worker

    def _follow(self) -> None:
        """Have the worker begin with the latest master when it is started again; one that runs is told by that."""
        with self._following:
            self._follow_now()

    def _follow_now(self) -> None:
        latest = self._master_at()
        url = str(latest["master"])
        if url == self._followed:
            return
        cores, memory = self.share()
        scratch, host, ports = self._place.scratch, self._place.host, self._ports
        self._write("worker", {**closed(self._secret), **leaving()})
        argv = install.daemon(
            self._java, install.WORKER, "--host", host, "--port", str(ports["worker"]), "--webui-port",
            str(ports["worker-pages"]), "--cores", str(cores), "--memory", f"{memory // MIB}m", "--work-dir",
            str(scratch / "work"), url, heap=self._heap, scratch=scratch, archived=self._archive,
        )  # fmt: skip
        write_atomic(self._arguments, "".join(f'"{_quoted(argument)}"\n' for argument in argv[1:]).encode())
        self._past = (self._past | {self._followed}) - {url}
        self._followed = url
        # All say so: clients find it while the member that has it is about to go.
        self._place.publish(master=url, pages=latest["pages"], term=latest["term"])

    def _begin_worker(self) -> None:
        """Start the worker; one that was to register with a master that is gone is started anew."""
        if self._worker is None:
            argv = [str(self._java.command), f"@{self._arguments}"]
            self._worker = self._place.daemon("worker", argv, env=self._surroundings("worker"))
        else:
            self._worker.kill()
            self._worker.start()

    def _find_back(self, url: str) -> None:
        """A worker that has stayed with a master of old, for the next one did not know it, is started again."""
        if url not in self._past or self._worker is None:
            self._strays = 0.0
        elif not self._strays:
            self._strays = time.monotonic()
        elif time.monotonic() > self._strays + STRAY_S:
            self._strays = 0.0
            self._worker.signal(signal.SIGKILL)

    @property
    def _arguments(self) -> Path:
        """What the worker is started with, each time anew."""
        return self._place.scratch / "worker.arguments"

    @property
    def _worker_pages(self) -> str:
        return f"http://{self._place.host}:{self._ports['worker-pages']}"

    def _counted(self, claim: Claim) -> str:
        """Whether the master has this node's worker: ``counted``, ``gone`` (the master); else empty."""
        if not self._is_there(claim.member):
            return "gone"
        own = (self._place.host, self._ports["worker"])
        workers = asked(self._master_at()["pages"], self._secret)["workers"]
        there = [worker["state"] == "ALIVE" for worker in workers if (worker["host"], worker["port"]) == own]
        return "counted" if any(there) else ""

    def _executors(self) -> int:
        return len(asked(self._worker_pages, self._secret)["executors"])

    # -- files

    def _write(self, name: str, values: Mapping[str, str]) -> None:
        folder = self._conf(name)
        folder.mkdir(mode=0o700, exist_ok=True)
        write(folder / "spark-defaults.conf", {**guarded(self._secret), **values})

    def _conf(self, name: str) -> Path:
        return self._place.scratch / f"{name}.conf"

    def _surroundings(self, name: str) -> dict[str, str]:
        local = self._place.scratch / "local"
        return {
            **dict.fromkeys(install.others(), ""),
            **install.surroundings(self._java, self._conf(name), self._place.host),
            "SPARK_LOCAL_DIRS": str(local),
            "PYSPARK_PYTHON": sys.executable,
            "TMPDIR": str(self._place.scratch),
        }

    # -- others come and go

    def release(self, number: int, seconds: float) -> None:  # noqa: ARG002 - it takes as long as a start of the master
        """The master moves before the node that has it goes: sessions and workers follow it without a pause."""
        self._take_over((number,))

    def leave(self, seconds: float) -> None:
        """Give what this node's executors have to others; the sessions that they work for go on without them."""
        self._abdicate()
        worker = self._worker
        if worker is None or worker.code is not None:
            return
        begun, left, told = time.monotonic(), 1, set[int]()
        worker.expected = True
        worker.signal(DECOMMISSION)
        while left and time.monotonic() < begun + seconds and not self._place.stopping and worker.code is None:
            time.sleep(LOOK_S)
            with contextlib.suppress(PilothouseError):
                left = self._executors()
            if time.monotonic() > begun + TOLD_S:
                told |= self._tell_executors(but=told)
        if left:
            self._place.event("executors had not given all they have to others in time", executors=left)

    def _tell_executors(self, but: Collection[int]) -> set[int]:
        """Tell executors themselves to leave: those that had just been started when the worker was told did not hear.

        Returns
        -------
        set of int
            Of which processes.
        """
        told = set()
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._worker.pid if self._worker else 0).children():
                if process.pid not in but:
                    process.send_signal(DECOMMISSION)
                    told.add(process.pid)
        return told

    def forget(self, numbers: Sequence[int]) -> None:
        """They have gone; so has the master, where it could not be moved before."""
        self._take_over(numbers)

    def lost(self, numbers: Sequence[int]) -> None:
        """What their executors had cached is computed again by the sessions themselves; the master is taken over."""
        self._take_over(numbers)

    def metrics(self) -> Mapping[str, float]:
        """Cores, memory (bytes) and executors of this node, and how much is in use; on the master's, of all too."""
        self._abdicate()
        self._follow()
        said = asked(self._worker_pages, self._secret)
        self._find_back(said["masterurl"])
        figures = {
            "cores": float(said["cores"]), "cores_used": float(said["coresused"]),
            "memory": float(said["memory"] * MIB), "memory_used": float(said["memoryused"] * MIB),
            "executors": float(len(said["executors"])),
        }  # fmt: skip
        if self._leads():
            of_all = asked(self._own_master()["pages"], self._secret)
            figures |= {"workers": float(of_all["aliveworkers"]), "applications": float(len(of_all["activeapps"]))}
        return figures

    def stop(self) -> None:
        """Daemons, and all files, are ended and removed by who calls."""


def _quoted(argument: str) -> str:
    """As the `java` command reads files of arguments."""
    return argument.replace("\\", "\\\\").replace('"', '\\"')
