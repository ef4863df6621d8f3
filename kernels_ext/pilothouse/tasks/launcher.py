"""A node process that starts executables: batches in, ends out.

It runs the tasks of a batch one after the other and several batches at once, each in the cores that the driver
was given for it, and ends with everything that it started. It keeps the Dask worker's process out of this.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from pilothouse import remains
from pilothouse.errors import Failed
from pilothouse.registry.logs import tail
from pilothouse.runs.channel import Channel
from pilothouse.tasks import mpi, process_tree
from pilothouse.tasks.places import Places, missing
from pilothouse.tasks.starting import Starter, Unfound

#: Seconds for which ends are gathered before they are reported.
REPORT_S = 0.05
#: Seconds from SIGTERM to SIGKILL of a task that took too long, or whose node goes; and when a run is stopped.
TIMEOUT_GRACE_S, STOP_GRACE_S = 2.0, 0.4
#: Of the seconds that a node has left, those that are kept for what follows a SIGKILL.
AFTER_S = 1.0
#: Seconds within which SIGTERM comes to all processes of a job.
TERM_S = 0.05
#: Seconds between two looks for failed ranks of a program that spans nodes.
RANKS_S = 0.5
_STOP = {"op": "stop"}


@dataclass
class Batch:
    """Tasks that follow each other in the cores of one allocation."""

    number: int
    gpus: list[int]
    node_gpus: int
    tasks: deque[dict[str, Any]]


@dataclass
class Running:
    """A process that was started: a task, or (`batch` None) a part of an MPI task whose head is elsewhere."""

    task: dict[str, Any]
    batch: Batch | None
    process: subprocess.Popen[bytes]
    started: float
    deadline: float = float("inf")
    late: bool = False
    why: str = ""
    pump: threading.Thread | None = field(default=None, repr=False)


class Launcher:
    """The executables of one run on one node, each made a process by a `starter`."""

    def __init__(self, channel: Channel, starter: type[Starter] = Starter) -> None:
        self._channel = channel
        config = channel.config
        self._node = config["node"]
        self._common = config["common"]
        self._places = Places(Path(config["folder"]), Path(config["work"]), config["many"])
        self._starter = starter(config, self._places)
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._ear, self._bell = os.pipe()
        self._running: dict[int, Running] = {}
        self._ended: list[dict[str, Any]] = []
        self._free: list[int] = []
        self._returned: list[int] = []
        self._lost: list[int] = []
        self._leaving = False
        self._reported = 0.0

    def serve(self) -> None:
        """Do what the driver says until it says stop or is gone."""
        # A bell that the C part of a signal handler rings: Python's own part runs only when the main thread does, and
        # a wait that has just begun would sleep over it.
        os.set_blocking(self._bell, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        threading.Thread(target=self._forward, name="pilothouse-tasks", daemon=True).start()
        threading.Thread(target=self._await_leaving, name="pilothouse-leaving", daemon=True).start()
        self._channel.send({"hello": self._node})
        while (message := self._next()) is not _STOP:
            if message is not None:
                self._obey(message)
            self._reap()
            self._check_deadlines()
            self._report()
            if self._leaving and not self._running:
                break
        if self._leaving:
            self._reap()
        self._report(last=True)
        cut = {running.task["task"]: running.started for running in self._running.values() if running.batch}
        self._end_all()
        if cut:  # they are over, and may begin elsewhere
            now = time.monotonic()
            with contextlib.suppress(OSError):  # its node is gone, too
                self._channel.send({"cut": [(number, round(now - started, 1)) for number, started in cut.items()]})

    def _forward(self) -> None:
        while not self._channel.stopping.is_set():
            if (message := self._channel.receive()) is not None:
                self._put(message)
        self._put(_STOP)

    def _await_leaving(self) -> None:
        self._channel.leaving.wait()
        self._put({"op": "leaving"})

    def _put(self, message: dict[str, Any]) -> None:
        self._inbox.put(message)
        with contextlib.suppress(BlockingIOError):  # it is ringing already
            os.write(self._bell, b"m")

    def _next(self) -> dict[str, Any] | None:
        """The next message; None when something has ended, or it is time to report or to end something."""
        with contextlib.suppress(queue.Empty):
            return self._inbox.get_nowait()
        wait = min((running.deadline for running in self._running.values()), default=float("inf")) - time.monotonic()
        if any(running.pump for running in self._running.values()):
            wait = min(wait, RANKS_S)
        if self._ended or self._returned or self._lost:
            wait = min(wait, self._reported + REPORT_S - time.monotonic())
        if select.select([self._ear], [], [], None if wait > 1e6 else max(0.0, wait))[0]:
            os.read(self._ear, 4096)
        with contextlib.suppress(queue.Empty):
            return self._inbox.get_nowait()
        return None

    def _obey(self, message: dict[str, Any]) -> None:
        if message["op"] == "run":
            for given in message["batches"]:
                batch = Batch(**{**given, "tasks": deque(given["tasks"])})
                self._advance(batch)
        elif message["op"] == "leaving":
            self._leaving = True  # what runs may end; what was not begun is for others
            for running in self._running.values():
                self._give_back(running.batch)
        elif message["op"] == "proxy":
            self._start_proxy(message["task"], message["command"])
        elif message["op"] == "kill":
            for running in self._running.values():
                if running.task["task"] == message["task"] and not running.why:
                    running.why, running.deadline = message["why"], time.monotonic()

    # ------------------------------------------------------------------ starting

    def _advance(self, batch: Batch) -> None:
        """Start the next task of a batch; one that can't be started has ended."""
        if self._leaving:
            self._give_back(batch)
        while batch.tasks:
            task = batch.tasks.popleft()
            try:
                self._start(task, batch)
            except Failed as error:
                self._end(task, 127 if isinstance(error, Unfound) else None, str(error), 0.0)
            else:
                return
        self._free.append(batch.number)

    def _give_back(self, batch: Batch | None) -> None:
        if batch is not None:
            self._returned += [task["task"] for task in batch.tasks]
            batch.tasks.clear()

    def _start(self, task: dict[str, Any], batch: Batch) -> None:
        process = self._starter.start(task, batch.gpus, batch.node_gpus)
        now = time.monotonic()
        running = self._running[process.pid] = Running(task, batch, process, now)
        if self._common["timeout"]:
            running.deadline = now + self._common["timeout"]
        if task.get("hosts"):
            number = task["task"]
            out = self._places.printed(number, "stdout")
            running.pump = threading.Thread(target=self._pump, args=(number, process, out), daemon=True)
            running.pump.start()

    def _start_proxy(self, task: dict[str, Any], command: list[str]) -> None:
        """Start what an MPI launcher on another node wants to have here."""
        try:
            process = self._starter.start_part(task, command)
        except (Failed, OSError) as error:
            self._channel.send({"proxy": task["task"], "error": f"on {self._node}: {error}"})
        else:
            self._running[process.pid] = Running(task, None, process, time.monotonic())

    def _pump(self, number: int, process: subprocess.Popen[bytes], out: Path) -> None:
        """Tell what is to be started on other nodes; the rest of what the launcher prints is the program's."""
        lines: list[str] = []
        assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
        with out.open("ab", buffering=0) as file:
            while line := process.stdout.readline():
                text = line.decode(errors="replace").strip()
                if text == mpi.END:
                    self._channel.send({"proxies": number, "commands": mpi.proxies(lines)})
                    break
                if text.startswith(mpi.LAUNCH):
                    lines.append(text)
                else:
                    file.write(line)
            while part := os.read(process.stdout.fileno(), 1 << 16):
                file.write(part)

    # ------------------------------------------------------------------ ending

    def _reap(self) -> None:
        """See who has ended. What it left ends with it, before its number can be another's.

        An MPI launcher that is still there does not: it sees by itself that its part on this node has ended, and
        has yet to say how.
        """
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            running = self._running.pop(found.si_pid, None)
            if running is not None:
                # launchers of MPI may lose ranks, and others what made itself a session of its own
                if running.late or self._common["ranks"] or process_tree.strays({found.si_pid, *self._running}):
                    remains.end(partial(self._left, running), 0.0)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(found.si_pid, signal.SIGKILL)
                self._conclude(running, running.process.wait())
            else:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(found.si_pid, 0)

    def _left(self, running: Running) -> list[Any]:
        """What a process that has ended has left; all that no other one can have left, when it was the last."""
        if self._running:
            return self._tree(running, spared=self._running)
        return psutil.Process().children(recursive=True)

    def _conclude(self, running: Running, code: int) -> None:
        task, batch = running.task, running.batch
        if batch is None:
            log = self._starter.part_log(task)
            if log.exists() and not log.stat().st_size:
                log.unlink()
            self._channel.send({"part": task["task"]})
            return
        seconds = time.monotonic() - running.started
        if running.pump is not None:
            running.pump.join(1.0)
        error = running.why
        if self._common["ranks"] and (failed := mpi.first_failure(self._starter.notes(task))):
            self._starter.notes(task).unlink()
            text = f"rank {failed[0]}: {ending(failed[1])}"
            if error in ("", text):
                code, error = failed[1], text
        if code and not error:
            error = ending(code)
        elif not error and (gone := missing(self._places.working(task["task"]), task["outputs"])):
            error = f"it ended well but left no {', '.join(map(repr, gone))}"
        if error and self._is_told_to_end():
            self._lost.append(task["task"])
        else:
            self._end(task, code, error, seconds)
        self._advance(batch)

    def _is_told_to_end(self) -> bool:
        """Whether the node's job was: its tasks had SIGTERM like all processes of the job, and are not to blame."""
        if not self._channel.was_terminated:
            time.sleep(TERM_S)  # it may come to this process last
        return self._channel.was_terminated

    def _end(self, task: dict[str, Any], code: int | None, error: str, seconds: float) -> None:
        number = task["task"]
        last = tail(self._places.printed(number, "stderr"), 5) if error else ""
        self._places.tidy(number)
        self._ended.append({
            "task": number, "attempt": task["attempt"], "code": code, "error": error, "seconds": round(seconds, 4),
            "last": last,
        })  # fmt: skip

    def _check_deadlines(self) -> None:
        """SIGTERM to what has to end, with all that it started; SIGKILL when that did not help."""
        now = time.monotonic()
        for running in self._running.values():
            if running.pump and not running.why and (failed := mpi.first_failure(self._starter.notes(running.task))):
                running.why, running.deadline = f"rank {failed[0]}: {ending(failed[1])}", now + TIMEOUT_GRACE_S
            if running.deadline > now:
                continue
            if not running.late:
                running.late, running.deadline = True, now + TIMEOUT_GRACE_S
                running.why = running.why or f"it took longer than timeout={self._common['timeout']:g} s"
                remains.terminate(self._tree(running))
            else:
                running.deadline = now + 1.0
                remains.kill(self._tree(running))

    def _tree(self, running: Running, spared: Iterable[int] = ()) -> list[Any]:
        return process_tree.tree(running.process.pid, self._starter.mark_of(running.task), spared)

    def _report(self, *, last: bool = False) -> None:
        due = last or time.monotonic() >= self._reported + REPORT_S
        if self._free or ((self._ended or self._returned or self._lost) and due):
            news = {"ended": self._ended, "free": self._free, "returned": self._returned, "lost": self._lost}
            self._channel.send(news)
            self._ended, self._free, self._returned, self._lost = [], [], [], []
            self._reported = time.monotonic()

    def _end_all(self) -> None:
        """End everything that descends from here: nothing is left on the node."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        left = self._channel.seconds_left - AFTER_S if self._leaving else 0.0
        remains.end(descendants, max(min(TIMEOUT_GRACE_S, left), STOP_GRACE_S))
        descendants()  # what ended last is reaped, too: the host's first process may be one that does not do it


def ending(code: int) -> str:
    """How a process ended, for people; negative is a signal."""
    return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def descendants() -> list[Any]:
    """What descends from this process, which has adopted all of it; those that have ended are reaped on the way.

    A look at all processes takes a moment, in which one may start another and end, and neither is seen: that nothing
    is left is what the system says, which has no child for this process to wait for.
    """
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return []
        if found := psutil.Process().children(recursive=True):
            return list(found)


def main(channel: Channel) -> None:
    """Be the launcher of one run on this node."""
    process_tree.adopt()
    Launcher(channel).serve()
