"""What Spark does on a node: a worker on each, and on one of them the master; when that goes, another takes over."""

from __future__ import annotations

import contextlib
import platform
import signal
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.engines.jvm.java import java
from pilothouse.engines.spark import install
from pilothouse.engines.spark.claims import Claim, Claims
from pilothouse.engines.spark.pages import asked, closed
from pilothouse.engines.spark.properties import guarded, leaving, write
from pilothouse.errors import InvalidInput, PilothouseError

if TYPE_CHECKING:
    from pilothouse.engines.daemon import Daemon
    from pilothouse.engines.protocols import Place

MIB = 1 << 20
#: Spark refuses executors with less.
LEAST_EXECUTOR = 450 * MIB
#: Seconds for a daemon to answer: nodes may be busy, and their disks cold.
START_S = 120.0
#: Seconds for which a member that begins waits for the one that has the master, before it takes over.
HEIR_S = 20.0
#: Seconds for workers and applications to find a new master; what has not is given up by it.
RECOVERY_S = 5
LOOK_S = 0.1
#: How a worker is told to give what its executors have to others, and to begin nothing more.
DECOMMISSION = signal.SIGPWR if sys.platform == "linux" else signal.SIGUSR2  # there is no SIGPWR elsewhere


class SparkMember:
    """One node of a Spark."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._secret = place.secrets["secret"]
        self._java = java(least=install.LEAST_JAVA)
        self._archive = install.classes(self._java)
        self._heap = int(place.settings["daemon_memory"])
        self._ports = place.ports("master", "master-pages", "worker", "worker-pages")
        self._claims = Claims(place.folder / "masters")
        self._followed = ""
        self._master: Daemon | None = None
        self._worker: Daemon | None = None

    # -- coming

    def start(self) -> None:
        """Start the master, where there is none, and a worker; return when the master has counted it."""
        if not self._archive.there:
            self._archive.make_aside()
        begun = time.monotonic()
        patience = 0.0 if self._place.role == "master" else HEIR_S
        self._place.until(
            lambda: self._heir(takes_over=time.monotonic() - begun >= patience), "a master of Spark", START_S
        )
        self._follow(self._master_url())
        cores, memory = self.share()
        (self._place.scratch / "work").mkdir(mode=0o700, exist_ok=True)
        self._worker = self._place.daemon("worker", self._by_file("worker"), env=self._surroundings("worker"))
        self._place.until(self._counted, "Spark's worker", START_S)
        self._place.publish(
            worker=f"{self._place.host}:{self._ports['worker']}", cores=cores, memory=memory,
            spark=install.version(), python=platform.python_version(), interpreter=sys.executable,
        )  # fmt: skip

    def share(self) -> tuple[int, int]:
        """Cores and bytes of this node's worker.

        Raises
        ------
        InvalidInput
            The node has not what an executor needs.
        """
        settings = self._place.settings
        memory = int(settings["memory"] or self._place.memory // 2)
        least = int(settings["executor_memory"] or LEAST_EXECUTOR)
        if memory < least:
            raise InvalidInput(
                f"memory={memory // MIB} MiB for executors on {self._place.node}, which has "
                f"{self._place.memory // MIB} MiB; an executor needs {least // MIB} MiB: nodes with more memory, or "
                "memory=... and executor_memory=... of the service",
                field="memory",
            )
        return int(settings["cores"] or self._place.cores), memory

    def _heir(self, *, takes_over: bool) -> bool:
        """Whether there is a master that answers; made here, where that is for this member to do."""
        claim = self._claims.latest()
        if claim is None or not self._is_there(claim.member, ()):
            if not takes_over or not self._claims.claim(claim, self._place.number):
                return False
            claim = self._claims.latest()
        if claim is None:
            return False
        if claim.member == self._place.number:
            if self._master is None:
                self._lead(claim)
            return True
        return bool(self._master_url()) and bool(asked(self._fact("pages"), self._secret))

    def _is_there(self, member: int, gone: Collection[int]) -> bool:
        return member == self._place.number or (member in self._place.members and member not in gone)

    # -- the master

    def _lead(self, claim: Claim) -> None:
        """Have the master here, with all that the one before it knew."""
        memory = self._claims.memory(claim)
        self._write("master", {
            **closed(self._secret), "spark.master.rest.enabled": "false", "spark.deploy.recoveryMode": "FILESYSTEM",
            "spark.deploy.recoveryDirectory": str(memory), "spark.deploy.recoveryTimeout": str(RECOVERY_S),
            "spark.worker.timeout": "30",
        })  # fmt: skip
        host, ports = self._place.host, self._ports
        argv = install.daemon(
            self._java, install.MASTER, "--host", host, "--port", str(ports["master"]), "--webui-port",
            str(ports["master-pages"]), heap=self._heap, scratch=self._place.scratch, archived=self._archive,
        )  # fmt: skip
        self._master = self._place.daemon("master", argv, env=self._surroundings("master"))
        pages = f"http://{host}:{ports['master-pages']}"
        self._place.until(lambda: asked(pages, self._secret)["status"] in ("ALIVE", "RECOVERING"), "Spark's master", START_S)  # fmt: skip
        if claim.term > 1:
            self._place.until(lambda: asked(pages, self._secret)["status"] == "ALIVE", "Spark's new master", START_S)
            self._place.event(f"the master is on {self._place.node} now")
        self._place.publish(master=f"spark://{host}:{ports['master']}", pages=pages, term=claim.term)

    def _fact(self, name: str) -> str:
        """Of the latest master: what its member has published."""
        terms = {int(facts["term"]): facts for facts in self._place.members.values() if facts.get("term")}
        return str(terms[max(terms)].get(name, "")) if terms else ""

    def _master_url(self) -> str:
        if self._master is not None and self._leads():
            return f"spark://{self._place.host}:{self._ports['master']}"
        return self._fact("master")

    def _leads(self) -> bool:
        claim = self._claims.latest()
        return claim is not None and claim.member == self._place.number

    def _take_over(self, gone: Collection[int]) -> None:
        """Have the master here if the one that has it is among the `gone`, and no other was sooner."""
        claim = self._claims.latest()
        if claim is None or (self._is_there(claim.member, gone) and claim.member not in gone):
            return
        if self._claims.claim(claim, self._place.number):
            self._lead(Claim(claim.term + 1, self._place.number))
            self._follow(self._master_url())

    # -- the worker

    def _follow(self, url: str) -> None:
        """Have the worker begin with the master at `url` when it is started again; one that runs is told by it."""
        if not url or url == self._followed:
            return
        cores, memory = self.share()
        scratch, host, ports = self._place.scratch, self._place.host, self._ports
        self._write("worker", {**closed(self._secret), **leaving(), "spark.worker.cleanup.enabled": "true"})
        argv = install.daemon(
            self._java, install.WORKER, "--host", host, "--port", str(ports["worker"]), "--webui-port",
            str(ports["worker-pages"]), "--cores", str(cores), "--memory", f"{memory // MIB}m", "--work-dir",
            str(scratch / "work"), url, heap=self._heap, scratch=scratch, archived=self._archive,
        )  # fmt: skip
        path = scratch / "worker.arguments"
        aside = path.with_suffix(".new")
        aside.write_text("".join(f'"{_quoted(argument)}"\n' for argument in argv[1:]), encoding="utf-8")
        aside.replace(path)
        self._followed = url

    def _by_file(self, name: str) -> list[str]:
        return [str(self._java.command), f"@{self._place.scratch / name}.arguments"]

    def _counted(self) -> bool:
        """Whether the master has this node's worker."""
        return any(
            worker["state"] == "ALIVE" and (worker["host"], worker["port"]) == (self._place.host, self._ports["worker"])
            for worker in asked(self._fact("pages"), self._secret)["workers"]
        )

    def _executors(self) -> int:
        return len(asked(self._worker_pages, self._secret)["executors"])

    @property
    def _worker_pages(self) -> str:
        return f"http://{self._place.host}:{self._ports['worker-pages']}"

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

    def admit(self, numbers: Sequence[int]) -> None:
        """They have registered with the master by themselves."""

    def release(self, number: int, seconds: float) -> None:  # noqa: ARG002 - it takes as long as a start of the master
        """The master moves before the node that has it goes: sessions and workers follow it without a pause."""
        self._take_over((number,))

    def leave(self, seconds: float) -> None:
        """Give what this node's executors have to others; the session that they work for goes on without them."""
        if self._master is not None and not self._leads():
            self._master.stop()
        worker = self._worker
        if worker is None or worker.code is not None:
            return
        deadline = time.monotonic() + seconds
        worker.signal(DECOMMISSION)
        while time.monotonic() < deadline and not self._place.stopping and worker.code is None:
            with contextlib.suppress(PilothouseError):
                if not self._executors():
                    return
            time.sleep(LOOK_S)
        if left := self._left():
            self._place.event(f"{left} executors of {self._place.node} had not given all they have to others in time")

    def _left(self) -> int:
        with contextlib.suppress(PilothouseError):
            return self._executors()
        return 0

    def forget(self, numbers: Sequence[int]) -> None:
        """They have gone; so has the master, where it could not be moved before."""
        self._take_over(numbers)

    def lost(self, numbers: Sequence[int]) -> None:
        """What their executors had cached is computed again by the sessions themselves; the master is taken over."""
        self._take_over(numbers)

    def metrics(self) -> Mapping[str, float]:
        """Cores, memory (bytes) and executors of this node, and how much is in use; on the master's, of all too."""
        self._follow(self._master_url())
        said = asked(self._worker_pages, self._secret)
        figures = {
            "cores": float(said["cores"]), "cores_used": float(said["coresused"]),
            "memory": float(said["memory"] * MIB), "memory_used": float(said["memoryused"] * MIB),
            "executors": float(len(said["executors"])),
        }  # fmt: skip
        if self._master is not None and self._leads():
            of_all = asked(f"http://{self._place.host}:{self._ports['master-pages']}", self._secret)
            figures |= {"workers": float(of_all["aliveworkers"]), "applications": float(len(of_all["activeapps"]))}
        return figures

    def stop(self) -> None:
        """All of it is the daemons'."""

    def do(self, what: str, **arguments: Any) -> Any:
        """Nothing can be asked of it."""
        raise NotImplementedError(what)


def _quoted(argument: str) -> str:
    """As the `java` command reads files of arguments."""
    return argument.replace("\\", "\\\\").replace('"', '\\"')


