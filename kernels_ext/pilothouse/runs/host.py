"""The supervisor's side of runs: their drivers, their node processes, their telemetry and records."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pilothouse.errors import InvalidInput, NotFound, PilothouseError, Unavailable
from pilothouse.registry import owning
from pilothouse.registry.folders import EVENTS, TELEMETRY
from pilothouse.registry.journal import Journal, tail
from pilothouse.registry.records import RUNS, Progress, RunRecord, State
from pilothouse.runs.protocols import Driver, Leaving
from pilothouse.state import utcnow
from pilothouse.telemetry import Telemetry, load

logger = logging.getLogger(__name__)

#: Seconds that a driver has to return once its run was asked to stop.
STOP_GRACE = 10.0
#: Seconds for the news of a process that was killed.
KILL_S = 5.0
#: Seconds between two writes of a live run's telemetry and progress.
SAVE_INTERVAL = 2.0


class Process:
    """A process on a node, as its driver sees it (a :class:`~pilothouse.runs.protocols.NodeProcess`)."""

    def __init__(self, host: NodeHost, key: str, label: str, node: str) -> None:
        self.label = label
        self.node = node
        self.pid = 0
        self._host = host
        self._key = key
        self._inbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._ended.done()

    async def send(self, message: Mapping[str, Any]) -> None:
        """Give the process a JSON message."""
        if not self.ended:
            await self._host.tell(self.node, "pilothouse_send", key=self._key, line=json.dumps(message))

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the process sends, until it has ended."""
        while (message := await self._inbox.get()) is not None:
            yield message

    async def wait(self) -> int:
        """The exit code."""
        return await asyncio.shield(self._ended)

    async def stop(self, grace: float = 1.5) -> int:
        """Ask the process to end, kill it after `grace` seconds; -9 where its end is not known in time."""
        if not self.ended and not await self._after(grace, self.send({"op": "stop"})):
            await self._after(KILL_S, self._host.tell(self.node, "pilothouse_kill", key=self._key))
        return self._ended.result() if self.ended else -9

    async def _after(self, seconds: float, order: Coroutine[Any, Any, object]) -> bool:
        """Give an order; whether the process has ended within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                with contextlib.suppress(PilothouseError):  # its node is not there any more, and it may be
                    await order
                await self.wait()
        return self.ended

    def deliver(self, message: dict[str, Any]) -> None:
        """Called by the host: the process said something."""
        self._inbox.put_nowait(message)

    def end(self, code: int) -> None:
        """Called by the host: the process, or its node, has ended."""
        if not self._ended.done():
            self._ended.set_result(code)
            self._inbox.put_nowait(None)


class NodeHost:
    """The nodes that are there, and the processes on them, over the scheduler's connections."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._processes: dict[str, Process] = {}
        self._keys = itertools.count(1)
        self._leaving: set[str] = set()
        self.hand_overs: list[Leaving] = []
        #: What to do about a node that was told to end, and has so many seconds.
        self.told: Callable[[str, float], None] = lambda _node, _seconds: None
        scheduler.stream_handlers["pilothouse_message"] = self._on_message
        scheduler.stream_handlers["pilothouse_exit"] = self._on_exit
        scheduler.stream_handlers["pilothouse_told"] = self._on_told

    @property
    def scheduler(self) -> Any:
        """The pilot's Dask scheduler."""
        return self._scheduler

    @property
    def nodes(self) -> list[str]:
        """Names of the connected nodes that stay, in the order in which they came."""
        names = [str(worker.name) for worker in self._scheduler.workers.values()]
        return [name for name in names if name not in self._leaving]

    async def tell(self, node: str, op: str, **arguments: Any) -> dict[str, Any]:
        """Ask the node's process host."""
        addresses = [w.address for w in self._scheduler.workers.values() if str(w.name) == node]
        if not addresses:
            raise Unavailable(f"node {node} is not there any more")
        try:
            answers = await self._scheduler.broadcast(msg={"op": op, **arguments}, workers=addresses)
        except OSError as error:
            raise Unavailable(f"node {node} does not answer: {error}") from None
        answer: dict[str, Any] = answers[addresses[0]]
        return answer

    async def spawn(self, node: str | None, label: str, **arguments: Any) -> Process:
        """Start a process on `node`, by default on the one with the fewest."""
        names = self.nodes
        if node is None:
            if not names:
                raise Unavailable("the pilot has no running node")
            load = {name: sum(p.node == name for p in self._processes.values()) for name in names}
            node = min(names, key=lambda name: (load[name], names.index(name)))
        elif node in self._leaving:
            raise Unavailable(f"node {node} is about to go")
        key = f"{label}-{next(self._keys)}"
        process = self._processes[key] = Process(self, key, label, node)
        try:
            answer = await self.tell(node, "pilothouse_spawn", key=key, **arguments)
        except BaseException:
            self._processes.pop(key, None)  # its node may be gone, and it with it
            raise
        process.pid = int(answer["pid"])
        return process

    def is_busy(self, node: str) -> bool:
        """Whether there are processes on the node."""
        return any(process.node == node for process in self._processes.values())

    def announce(self, node: str) -> None:
        """The node is about to go: nothing is started on it any more."""
        self._leaving.add(node)

    async def clear(self, node: str, seconds: float) -> None:
        """Have the runs take away what they have on a node that is about to go; `seconds` is how long that may take."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                hand_overs = (hand_over(node, seconds) for hand_over in list(self.hand_overs))
                for found in await asyncio.gather(*hand_overs, return_exceptions=True):
                    if isinstance(found, Exception):
                        logger.error("node %s goes, and a run has not left it", node, exc_info=found)
                here = [process for process in self._processes.values() if process.node == node]
                await asyncio.gather(*(process.wait() for process in here))

    def node_ended(self, node: str) -> None:
        """A node's job has ended: so have its processes. That a node is not heard of any more does not say so."""
        self._leaving.discard(node)
        for key, process in list(self._processes.items()):
            if process.node == node:
                del self._processes[key]
                process.end(-9)

    def _on_told(self, seconds: float, worker: str) -> None:
        if worker in self._scheduler.workers:
            self.told(str(self._scheduler.workers[worker].name), seconds)

    def _on_message(self, key: str, message: dict[str, Any], worker: str) -> None:  # noqa: ARG002 - Dask names the worker
        if key in self._processes:
            self._processes[key].deliver(message)

    def _on_exit(self, key: str, code: int, worker: str) -> None:  # noqa: ARG002 - as above
        process = self._processes.pop(key, None)
        if process is not None:
            process.end(code)


class Context:
    """One live run (a :class:`~pilothouse.runs.protocols.RunContext`)."""

    def __init__(self, record: RunRecord, host: NodeHost, dask: Callable[[], dict[str, Any]]) -> None:
        self.record = record
        self.name = record.name
        self.parameters = record.parameters
        self.folder = RUNS.folder(record.name)
        self.telemetry = Telemetry()
        if record.resumed:
            self.telemetry.restore(load(self.folder / TELEMETRY))
        self.stopping = asyncio.Event()
        self.handing_over = False
        self.journal = Journal(self.folder / EVENTS)
        self.processes: list[Process] = []
        self._hand_overs: list[Leaving] = []
        self.dirty = True
        self._host = host
        self._dask = dask

    @property
    def nodes(self) -> Sequence[str]:
        """Names of the nodes that are running now, and are not about to go."""
        return self._host.nodes

    @property
    def scheduler(self) -> Any:
        """The pilot's Dask scheduler itself."""
        return self._host.scheduler

    @property
    def dask(self) -> dict[str, Any]:
        """How a node process reaches the pilot's scheduler."""
        return self._dask()

    async def spawn(self, module: str, config: Mapping[str, Any], *, label: str, node: str | None = None) -> Process:
        """Start ``module.main(channel)`` on a node."""
        process = await self._host.spawn(
            node, label, module=module, config=json.dumps(dict(config)), log=str(self.log_path(label)), env={}
        )
        self.processes.append(process)
        self.event("process started", label=label, node=process.node, pid=process.pid)
        return process

    def on_leaving(self, hand_over: Leaving) -> None:
        """Have `hand_over` awaited before a node goes."""
        self._hand_overs.append(hand_over)
        self._host.hand_overs.append(hand_over)

    def close(self) -> None:
        """The run has ended: what nodes do is not its business any more."""
        for hand_over in self._hand_overs:
            self._host.hand_overs.remove(hand_over)

    def log_path(self, label: str) -> Path:
        """The file that holds what the process `label` prints."""
        return self.folder / f"{label}.log"

    def log(self, text: str) -> None:
        """Add a line to the run's log."""
        with (self.folder / "run.log").open("a", encoding="utf-8") as file:
            file.write(f"{utcnow():%H:%M:%S} {text}\n")

    def save(self) -> None:
        """Write its record, unless another supervisor has the run by now: it goes on there."""
        self.dirty = False
        with contextlib.suppress(owning.Superseded):
            owning.write(self.record)

    def event(self, what: str, **details: Any) -> None:
        """Add to the run's history."""
        self.journal.add(what, **details)

    def progress(self, done: float, total: float, unit: str = "") -> None:
        """Say how far the run is."""
        self.record.progress = Progress(done=done, total=total, unit=unit)
        self.dirty = True

    def log_tail(self, lines: int = 5) -> str:
        """The last lines of the processes that failed, for the reason of a failure."""
        found = [tail(self.log_path(p.label), lines) for p in self.processes if p.ended and p._ended.result() != 0]  # noqa: SLF001 - the class above
        return "\n".join(text for text in found if text)


class RunHost:
    """All runs of one pilot."""

    def __init__(self, host: NodeHost, dask: Callable[[], dict[str, Any]], changed: Callable[[], None]) -> None:
        self._host = host
        self._dask = dask
        self._changed = changed
        self._live: dict[str, Context] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._handing_over = False

    @property
    def live(self) -> list[str]:
        """Names of the runs that go on."""
        return list(self._live)

    def launch(self, name: str) -> None:
        """Drive the run whose record and files the client has written."""
        record = RUNS.read(name)
        found = entry_points(group="pilothouse.runs", name=record.kind)
        if not found:
            known = sorted({point.name for point in entry_points(group="pilothouse.runs")})
            raise InvalidInput(f"kind={record.kind!r}: there is no such kind of run; there are {known}", field="kind")
        context = self._live[name] = Context(record, self._host, self._dask)
        self._tasks[name] = asyncio.create_task(self._drive(context, next(iter(found)).load))

    def context(self, name: str) -> Context:
        """The live run of that name."""
        if name not in self._live:
            raise NotFound(f"the run {name!r} is not going on", field="name")
        return self._live[name]

    async def stop(self, name: str) -> None:
        """Ask the run to stop; it is ended by force when it has not returned after :data:`STOP_GRACE` seconds."""
        context = self.context(name)
        if context.stopping.is_set():
            return
        context.event("stop asked for")
        context.record.state = State.STOPPING
        context.save()
        context.stopping.set()
        asyncio.get_running_loop().call_later(STOP_GRACE, self._force, name)

    def _force(self, name: str) -> None:
        if name in self._tasks:
            self._tasks[name].cancel()

    async def close(self, reason: str) -> None:
        """Stop all runs, for the pilot ends."""
        for name in self.live:
            self._live[name].event("pilot ends", reason=reason)
            await self.stop(name)
        tasks = list(self._tasks.values())  # a task leaves the table when it ends
        if tasks:
            await asyncio.wait(tasks, timeout=4.0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=2.0)

    async def hand_over(self) -> None:
        """Let go of all runs as they are: another supervisor goes on with them."""
        self._handing_over = True
        for context in self._live.values():
            context.handing_over = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=4.0)

    async def _drive(self, context: Context, load: Callable[[], type[Driver]]) -> None:
        record = context.record
        saver = asyncio.create_task(self._save_regularly(context))
        try:
            while not self._host.nodes and not context.stopping.is_set():  # noqa: ASYNC110 - nodes connect to Dask, which sets no event of ours
                await asyncio.sleep(0.05)
            if not context.stopping.is_set():
                driver = load()()
                record.state, record.started = State.RUNNING, utcnow()
                context.save()
                context.event("started")
                await driver.run(context)
            record.state = State.FINISHED
            record.reason = "stopped" if context.stopping.is_set() else ""
        except asyncio.CancelledError:
            record.state, record.reason = State.FAILED, f"did not stop within {STOP_GRACE:.0f} s and was ended"
        except Exception as error:
            logger.exception("run %s failed", record.name)
            record.state = State.FAILED
            text = str(error) if isinstance(error, PilothouseError) else f"{type(error).__name__}: {error}"
            record.reason = "\n".join(part for part in (text, context.log_tail()) if part)
        finally:
            saver.cancel()
            context.close()
            await asyncio.gather(*(process.stop() for process in context.processes), return_exceptions=True)
            context.telemetry.save(context.folder / TELEMETRY)
            if self._handing_over:
                context.event("handed over")
            else:
                record.ended = utcnow()
                context.event(record.state.value, reason=record.reason)
                context.save()
            self._live.pop(record.name, None)
            self._tasks.pop(record.name, None)
            self._changed()

    async def _save_regularly(self, context: Context) -> None:
        saved = -1
        while True:
            if context.dirty:
                context.save()
            if context.telemetry.seq != saved:
                saved = context.telemetry.seq
                context.telemetry.save(context.folder / TELEMETRY)
            await asyncio.sleep(SAVE_INTERVAL)

    async def frame(self, name: str, since: int, wait: float) -> tuple[dict[str, Any], bytes]:
        """A live run's new samples, as soon as there are some, after `wait` seconds at most; and how far it is."""
        context = self.context(name)
        deadline = time.monotonic() + min(wait, 30.0)
        frame = context.telemetry.since(since)
        while not len(frame.time) and time.monotonic() < deadline and name in self._live:
            await asyncio.sleep(0.02)
            frame = context.telemetry.since(since)
        return _status(context.record), frame.encode()

    async def over(self, name: str, wait: float) -> None:
        """Return when a live run has ended, after `wait` seconds at most."""
        self.context(name)
        await asyncio.wait({self._tasks[name]}, timeout=min(wait, 30.0))

    def status(self, name: str) -> dict[str, Any]:
        """A live run's state and how far it is."""
        return _status(self.context(name).record)


def _status(record: RunRecord) -> dict[str, Any]:
    return {"state": record.state, "progress": record.progress.model_dump() if record.progress else None}
