"""Tasks that end the process that runs them: the error is theirs, and no other node is tried.

``sys.exit`` and :class:`KeyboardInterrupt` end a task, not its node. What ends the node's process itself (``os._exit``,
a segmentation fault) fails the tasks that ran there: Dask would try them on node after node. A node that was killed or
told to end, or whose host has gone, is no fault of its tasks: they are done elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dask.utils import key_split
from distributed.core import Status, error_message
from distributed.protocol import to_serialize
from distributed.worker_state_machine import ExecuteFailureEvent

from pilothouse.errors import Failed
from pilothouse.registry.states import State

if TYPE_CHECKING:
    from distributed.scheduler import TaskState

    from pilothouse.registry.records import PilotRecord

#: Seconds in which the batch system should say how a node's process has ended; until then its tasks wait.
VERDICT_S = 10.0

#: By these a process dies of what it does itself; by the others it is killed.
_FAULTS = {
    signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS,
}  # fmt: skip

#: The worker that no task finds: those that wait for a verdict may run nowhere else.
_NOWHERE = "a node that has gone"


def by_itself(code: int | None) -> str:
    """How a process ended by its own doing, from its exit code; empty where something else ended it, or may have.

    Parameters
    ----------
    code
        Negative for a signal, which shells report as 128 + its number; None when it is not known.

    Examples
    --------
    >>> by_itself(3), by_itself(-11), by_itself(139), by_itself(-9)
    ('ended by itself with exit code 3', 'died of SIGSEGV', 'died of SIGSEGV', '')
    """
    if code is None or code == os.EX_SOFTWARE:  # the latter is our own failure: see pilothouse.pilots.node.node.run
        return ""
    number = -code if code < 0 else code - 128
    if number in _FAULTS:
        return f"died of {signal.Signals(number).name}"
    return "" if code < 0 or number in {*signal.Signals} else f"ended by itself with exit code {code}"


class NodeEnds:
    """What a supervisor knows of how its nodes end.

    Parameters
    ----------
    folder
        The pilot's own.
    look
        Called to have the batch system asked, as soon as it may be.
    """

    def __init__(self, record: PilotRecord, folder: Path, look: Callable[[], None]) -> None:
        self._record = record
        self._folder = folder
        self._look = look

    def leaves(self, name: str) -> bool:
        """Whether the node goes because the pilot gives it back, or ends."""
        states = [node.state for node in self._record.nodes if node.name == name]
        return self._record.state is State.DRAINING or State.DRAINING in states

    async def how(self, name: str) -> str:
        """How the process of a node that has just gone ended by its own doing.

        Empty where something else ended it, or nobody can tell within :data:`VERDICT_S` seconds.
        """
        node = next((node for node in self._record.nodes if node.name == name), None)
        deadline = time.monotonic() + VERDICT_S
        while node is not None and node.exit_code is None and not node.state.ended and not self.leaves(name):
            if time.monotonic() > deadline:
                return ""
            self._look()
            await asyncio.sleep(0.05)
        return by_itself(node.exit_code) if node is not None and not self.leaves(name) else ""

    def running(self, name: str) -> list[str] | None:
        """The keys that ran on the node when it went; None where that is not known."""
        return Running.left(Running.path(self._folder, name))


class Running:
    """The keys that a node is at, in a file: what it wrote is there when its process has vanished.

    Writing costs some microseconds a task. The file goes with a node that ends properly.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, None] = {}
        self._file = -1
        with contextlib.suppress(OSError):  # a full disk is no reason to have no node
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._write()

    def begins(self, key: object) -> None:
        """The task of that key will run."""
        self._keys[str(key)] = None
        self._write()

    def ends(self, key: object) -> None:
        """It has run."""
        self._keys.pop(str(key), None)
        self._write()

    def close(self) -> None:
        """Nothing runs here any more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1  # a function that still runs ends later
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        try:  # over what was there: the first line counts
            os.pwrite(self._file, json.dumps([*self._keys]).encode() + b"\n", 0)
        except OSError:
            with contextlib.suppress(OSError):  # a full disk: rather nothing than what was true before
                os.ftruncate(self._file, 0)

    @staticmethod
    def path(folder: Path, node: str) -> Path:
        """Where the node has it, in the pilot's `folder`."""
        return folder / f"{node}.running"

    @staticmethod
    def left(path: Path) -> list[str] | None:
        """What a node was at when it went; None where that can't be read."""
        try:
            with path.open() as file:
                found: list[str] = json.loads(file.readline())
            path.unlink()
        except (OSError, ValueError):
            return None
        return found


class Blaming:
    """A Dask scheduler that holds back what ran on a node that has gone, until it is known why it went.

    Parameters
    ----------
    ends
        Whom to ask.
    arguments, options
        As for :class:`distributed.Scheduler`.
    """

    def __init__(self, *arguments: Any, ends: NodeEnds, **options: Any) -> None:
        self._ends = ends
        self._judging: set[asyncio.Task[None]] = set()
        super().__init__(*arguments, **options)

    async def remove_worker(self: Any, address: str, *, stimulus_id: str, expected: bool = False, **how: Any) -> Any:
        """Remove a worker; one that leaves as planned is no fault of its tasks, and is not counted as one."""
        worker = self.workers.get(self.coerce_address(address))
        expected = expected or (worker is not None and self._ends.leaves(str(worker.name)))
        vanished = worker is not None and not expected and worker.status in (Status.running, Status.paused)
        held = {task: _hold(task) for task in worker.processing if not task.actor} if vanished else {}
        done = await super().remove_worker(address, stimulus_id=stimulus_id, expected=expected, **how)  # type: ignore[misc]
        if vanished:
            task = asyncio.create_task(self._judge(str(worker.name), held, stimulus_id))
            self._judging.add(task)
            task.add_done_callback(self._judging.discard)
        return done

    async def run_function(self: Any, comm: Any, function: bytes, **options: Any) -> Any:
        """What ``client.run_on_scheduler`` sends: here, in the supervisor."""
        try:
            return await super().run_function(comm, function, **options)  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            did = _did(error, "supervisor")
            return error_message(Failed(f"the function given to client.run_on_scheduler() {did}"))

    async def _judge(self: Any, node: str, held: dict[TaskState, tuple[Any, bool]], stimulus_id: str) -> None:
        try:
            how = await self._ends.how(node)
        finally:
            for task, (restrictions, loose) in held.items():
                task.worker_restrictions, task.loose_restrictions = restrictions, loose
        waiting = {str(task.key): task for task in held if self._waits(task)}
        ran = self._ends.running(node)
        blamed = [key for key in waiting if how and (ran is None or key in ran)]
        self.transitions({task.key: "processing" for key, task in waiting.items() if key not in blamed}, stimulus_id)
        error = pickle.dumps(Failed(_blame(blamed, node, how)))
        for task in (waiting[key] for key in blamed):
            if self._waits(task):  # the failure of another one may have taken it along
                found = self.transition(task.key, "erred", stimulus_id, exception=error, cause=task.key)
                self.transitions(found, stimulus_id)

    def _waits(self: Any, task: TaskState) -> bool:
        return self.tasks.get(task.key) is task and task.state == "no-worker"


def _hold(task: TaskState) -> tuple[Any, bool]:
    """See to it that the task runs nowhere; what it was allowed before."""
    before = task.worker_restrictions, task.loose_restrictions
    task.worker_restrictions, task.loose_restrictions = {_NOWHERE}, False
    return before


def _blame(keys: list[str], node: str, how: str) -> str:
    names = [f"{key_split(key)}() (key {key!r})" for key in keys]
    if len(names) == 1:
        return f"{names[0]} ended the node that it ran on: the process of {node} {how}. It is tried on no other node."
    return (
        f"the process of node {node} {how} while it ran {', '.join(names)}: one of them did it, so none of them is "
        "tried on another node."
    )


class Guarding:
    """A Dask worker in which ``sys.exit`` and :class:`KeyboardInterrupt` end a user's function, and nothing else.

    Parameters
    ----------
    running
        Where it writes what it is at.
    arguments, options
        As for :class:`distributed.Worker`.
    """

    def __init__(self, *arguments: Any, running: Running, **options: Any) -> None:
        self._running = running
        super().__init__(*arguments, **options)

    async def execute(self: Any, key: Any, *, stimulus_id: str) -> Any:
        """Execute a task; one that wants to end the process has failed."""
        run_id = self.state.tasks[key].run_id
        self._running.begins(key)
        try:
            return await super().execute(key, stimulus_id=stimulus_id)  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            with self.active_threads_lock:  # Dask has not come to forget it
                for ident in [ident for ident, active in self.active_threads.items() if active == key]:
                    del self.active_threads[ident]
            failed = Failed(f"{key_split(key)}() (key {key!r}) {_did(error)}")
            return ExecuteFailureEvent.from_exception(
                failed, key=key, run_id=run_id, stimulus_id=f"task-exits-{time.time()}"
            )
        finally:
            self._running.ends(key)

    async def run(self: Any, comm: Any, function: bytes, **options: Any) -> Any:
        """What ``client.run`` sends."""
        try:
            return await super().run(comm, function, **options)  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            return error_message(Failed(f"the function given to client.run() {_did(error)}"))

    async def actor_execute(self: Any, *arguments: Any, **options: Any) -> Any:
        """A method of an actor."""
        try:
            return await super().actor_execute(*arguments, **options)  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            return {"status": "error", "exception": to_serialize(Failed(f"a method of an actor {_did(error)}"))}


def _did(error: BaseException, where: str = "node") -> str:
    what = f"called sys.exit({error.code!r})" if isinstance(error, SystemExit) else "raised KeyboardInterrupt"
    return f"{what}. The {where} goes on: return, or raise an error, to end a function."
