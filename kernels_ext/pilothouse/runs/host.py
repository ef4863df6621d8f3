"""The supervisor's side of runs: their drivers, their telemetry and records."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pilothouse.errors import Conflict, InvalidInput, NotFound, PilothouseError, Unavailable
from pilothouse.installed import entry_points
from pilothouse.registry import owning
from pilothouse.registry.folders import EVENTS, TELEMETRY
from pilothouse.registry.journal import Journal
from pilothouse.registry.logs import tail
from pilothouse.registry.records import RUNS, SERVICE, Progress, RunRecord, State
from pilothouse.runs.processes import NodeHost, Process
from pilothouse.runs.protocols import Driver, Leaving, Ordered
from pilothouse.state import utcnow

logger = logging.getLogger(__name__)

#: Seconds that a driver has to return once its run was asked to stop.
STOP_GRACE = 10.0
#: The most seconds between two looks for what a run waits for before it is driven.
LOOK_S = 1.0
#: Seconds between two looks of who wants samples: there are ten a second at most.
SAMPLES_S = 0.05
#: Seconds between two looks whether the batch system knows more of an earlier supervisor's nodes.
SETTLED_S = 0.2
#: Seconds between two writes of a live run's telemetry and progress.
SAVE_INTERVAL = 2.0


class Context:
    """One live run (a :class:`~pilothouse.runs.protocols.RunContext`)."""

    def __init__(self, record: RunRecord, host: NodeHost, dask: Callable[[], dict[str, Any]]) -> None:
        from pilothouse.telemetry import Telemetry, load  # numpy, which a supervisor without runs does without

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
        self.ordered: Ordered | None = None
        self.dirty = True
        self._saved = -1
        self._trouble = ""
        self._host = host
        self._dask = dask

    @property
    def nodes(self) -> Sequence[str]:
        """Names of the nodes that are running now, and are not about to go."""
        return self._host.nodes

    @property
    def without_nodes(self) -> str:
        """What a run waits for while there are none."""
        return self._host.without_nodes()

    async def settled(self) -> None:
        """Return when each node on which an earlier supervisor may have had the run is heard of, or has ended."""
        while self.record.resumed and self._host.unheard():
            await self._host.news.heard(SETTLED_S)

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

    def on_order(self, ordered: Ordered) -> None:
        """Have `ordered` answer what users ask of the live run."""
        self.ordered = ordered

    def serves(self, ready: bool, why: str) -> None:
        """Say whether the run is ready, unless it is to stop, and why not all is as it should be."""
        state = State.RUNNING if ready else State.STARTING
        if self.record.state is State.STOPPING or (self.record.state, self.record.reason) == (state, why):
            return
        if self.record.state is not state:
            self.event("serves" if ready else "does not serve")
        self.record.state, self.record.reason, self.dirty = state, why, True
        self.save()

    def close(self) -> None:
        """The run has ended: what nodes do is not its business any more."""
        for hand_over in self._hand_overs:
            self._host.hand_overs.remove(hand_over)

    def log_path(self, label: str) -> Path:
        """The file that holds what the process `label` prints."""
        return self.folder / f"{label}.log"

    def log(self, text: str) -> None:
        """Add a line to the run's log, where that can be written."""
        with contextlib.suppress(OSError), (self.folder / "run.log").open("a", encoding="utf-8") as file:
            file.write(f"{utcnow():%H:%M:%S} {text}\n")

    def save(self) -> bool:
        """Write its samples, then its record, unless another supervisor has the run by now: it goes on there.

        Returns
        -------
        bool
            Whether that was possible; what could not be written is tried again at the next call.
        """
        trouble = ""
        for write in (self._save_samples, self._save_record):
            try:
                write()
            except (OSError, Unavailable) as error:
                trouble = str(error)
        if trouble and trouble != self._trouble:
            logger.warning("run %s can't be written: %s", self.name, trouble)
        self._trouble = trouble
        return not trouble

    def _save_samples(self) -> None:
        seq = self.telemetry.seq
        if seq != self._saved:
            with contextlib.suppress(FileNotFoundError):  # somebody removed the run with all that it had
                self.telemetry.save(self.folder / TELEMETRY)
            self._saved = seq

    def _save_record(self) -> None:
        if self.dirty:
            with contextlib.suppress(owning.Superseded):
                owning.write(self.record)
            self.dirty = False

    def event(self, what: str, **details: Any) -> None:
        """Add to the run's history."""
        self.journal.add(what, **details)

    def waits(self, why: str) -> None:
        """Say what the run waits for; empty: it goes on."""
        if self.record.reason != why:
            self.record.reason, self.dirty = why, True

    def progress(self, done: float, total: float, unit: str = "") -> None:
        """Say how far the run is."""
        self.record.progress = Progress(done=done, total=total, unit=unit)
        self.dirty = True

    def no_progress(self) -> None:
        """Nothing is on its way any more."""
        if self.record.progress is not None:
            self.record.progress, self.dirty = None, True

    def log_tail(self, said: str, lines: int = 5) -> str:
        """The last lines of the processes that failed, for the reason of a failure, which says so much already."""
        failed = dict.fromkeys(process.label for process in self.processes if process.exit_code not in (None, 0))
        found = [tail(self.log_path(label), lines) for label in failed]
        return "\n".join(text for text in found if text and not _is_in(said, text))


class RunHost:
    """All runs of one pilot."""

    def __init__(self, host: NodeHost, dask: Callable[[], dict[str, Any]], changed: Callable[[], None]) -> None:
        self._host = host
        self._dask = dask
        self._changed = changed
        self._live: dict[str, Context] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unwritten: list[Context] = []
        self._handing_over = False
        self._cut_short = ""
        self._pilot_ends: dict[str, str] = {}

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
        self._host.news.live.add(name)
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
        context.record.state, context.dirty = State.STOPPING, True
        context.save()
        context.stopping.set()
        self._host.news.tell()
        asyncio.get_running_loop().call_later(STOP_GRACE, self._tasks[name].cancel)  # it, not what has its name by then

    async def close(self, reason: str, *, failed: bool = False) -> None:
        """Stop all runs, for the pilot ends; where it has failed, so have they."""
        self._cut_short = reason if failed else ""
        self._pilot_ends = {name: reason for name in self.live if not self._live[name].stopping.is_set()}
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
            while not self._host.nodes and not context.stopping.is_set():
                await self._host.news.heard(LOOK_S)
            if not context.stopping.is_set():
                driver = load()()
                tells = getattr(driver, "tells_ready", False)
                record.state, record.started = State.STARTING if tells else State.RUNNING, utcnow()
                context.dirty = True
                context.save()
                context.event("started")
                await driver.run(context)
            record.state = State.FINISHED
            record.reason = "stopped" if context.stopping.is_set() else ""
            if record.kind == SERVICE and record.name in self._pilot_ends:  # nobody stopped it
                record.reason = f"its pilot ended: {self._pilot_ends[record.name]}"
        except asyncio.CancelledError:
            record.state, record.reason = State.FAILED, f"did not stop within {STOP_GRACE:.0f} s and was ended"
        except Exception as error:
            logger.exception("run %s failed", record.name)
            record.state = State.FAILED
            text = str(error) if isinstance(error, PilothouseError) else f"{type(error).__name__}: {error}"
            record.reason = "\n".join(part for part in (text, context.log_tail(text)) if part)
        finally:
            if self._cut_short and context.stopping.is_set():
                record.state, record.reason = State.FAILED, f"its pilot failed: {self._cut_short}"
            saver.cancel()
            context.close()
            await asyncio.gather(*(process.stop() for process in context.processes), return_exceptions=True)
            if left := sorted({process.node for process in context.processes if not process.ended}):
                context.event("not known to have ended", nodes=left)
                word = f"what it had on {', '.join(left)} is not known to have ended: it may go on as long as the node"
                record.reason = "\n".join(part for part in (record.reason, word) if part)
            if self._handing_over:
                context.event("handed over")
                context.dirty = False  # its state is that of a run that goes on
                context.save()
            else:
                record.ended, context.dirty = utcnow(), True
                context.event(record.state.value, reason=record.reason)
                self._unwritten.append(context)
                self.write_ends()
            self._live.pop(record.name, None)
            self._tasks.pop(record.name, None)
            self._host.news.live.discard(record.name)
            self._host.news.tell()
            self._changed()

    def write_ends(self) -> bool:
        """Write how runs have ended whose end could not be written yet; whether all of them could be."""
        self._unwritten = [context for context in self._unwritten if not context.save()]
        return not self._unwritten

    async def _save_regularly(self, context: Context) -> None:
        nodeless = False
        while True:
            if not self._host.nodes or nodeless:
                nodeless = not self._host.nodes
                context.waits(self._host.without_nodes() if nodeless else "")
            context.save()
            await asyncio.sleep(SAVE_INTERVAL)

    async def order(self, name: str, what: str, arguments: Mapping[str, Any]) -> Any:
        """Ask something of a live run that its kind has answers for."""
        context = self.context(name)
        if context.ordered is None:
            raise Conflict(f"the run {name!r} ({context.record.kind}) takes no orders, or has not begun", field="name")
        return await context.ordered(what, arguments)

    async def frame(self, name: str, since: int, wait: float) -> tuple[dict[str, Any], bytes]:
        """A live run's new samples, as soon as there are some, after `wait` seconds at most; and how far it is."""
        context = self.context(name)
        deadline = time.monotonic() + min(wait, 30.0)
        samples = context.telemetry
        while samples.seq in (0, since) and time.monotonic() < deadline and self._live.get(name) is context:  # noqa: ASYNC110 - whatever thread adds one
            await asyncio.sleep(SAMPLES_S)
        return _status(context.record), samples.since(since).encode()

    async def over(self, name: str, wait: float) -> None:
        """Return when a live run has ended, after `wait` seconds at most."""
        self.context(name)
        await asyncio.wait({self._tasks[name]}, timeout=min(wait, 30.0))

    def status(self, name: str) -> dict[str, Any]:
        """A live run's state and how far it is."""
        return _status(self.context(name).record)


def _is_in(said: str, text: str) -> bool:
    """Whether `text` ends as the traceback of an error that is said."""
    last = text.splitlines()[-1]
    return (last.partition(": ")[2] or last) in said


def _status(record: RunRecord) -> dict[str, Any]:
    return {"state": record.state, "progress": record.progress.model_dump() if record.progress else None}
