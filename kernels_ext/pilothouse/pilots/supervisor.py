"""The supervisor: the detached process that owns one pilot and its runs.

It holds the Dask scheduler, keeps the set-point of nodes, drives the runs, keeps the lease and answers on
a Unix socket. It outlives kernels, browsers and servers; when it goes, its nodes go.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psutil

from pilothouse.errors import Conflict, InvalidInput, PilothouseError
from pilothouse.pilots import control
from pilothouse.pilots.alive import remove_leftovers, scratch_folder
from pilothouse.pilots.journal import Journal
from pilothouse.pilots.node import QUIET
from pilothouse.pilots.nodes import Nodes
from pilothouse.pilots.queues.local import LocalQueue, fork_template, name_process
from pilothouse.pilots.queues.protocols import Queue
from pilothouse.pilots.records import PILOTS, PilotRecord, ProcessRef, State
from pilothouse.pilots.run_host import NodeHost, RunHost
from pilothouse.pilots.site import sites
from pilothouse.pilots.tls import make_certificate, security
from pilothouse.state import utcnow

logger = logging.getLogger(__name__)

#: Seconds between two looks at the nodes, the lease and the idle clock.
TICK = 0.5
#: Seconds between two heartbeats in the record.
HEARTBEAT = 30.0


class Supervisor:
    """One pilot's owner."""

    def __init__(self, record: PilotRecord, queue: Queue) -> None:
        self.record = record
        self.queue = queue
        self.folder = PILOTS.folder(record.name)
        self.journal = Journal(self.folder / "events.jsonl")
        self.scratch = scratch_folder(record.name)
        self._ending = asyncio.Event()
        self._wake = asyncio.Event()
        self._end: tuple[State, str] = (State.FINISHED, "")
        self._active = utcnow()
        self.scheduler: Any = None
        self.runs: RunHost

    # ------------------------------------------------------------------ life

    async def run(self) -> None:
        """Bring the pilot up, keep it, end it."""
        record = self.record
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end, State.FINISHED, f"ended by {number.name}")
        me = psutil.Process()
        record.supervisor = ProcessRef(host=socket.gethostname(), pid=me.pid, started=me.create_time())
        record.state, record.scratch = State.STARTING, str(self.scratch)
        lease = float(record.description["lease"])
        record.lease_end = utcnow() + timedelta(seconds=lease)
        handlers: dict[str, control.Handler] = {
            "scale": self._op(self._scale),
            "cancel": self._op(self._cancel),
            "launch": self._op(self._launch),
            "stop": self._stop_run,
            "frame": self._frame,
            "status": self._status,
        }
        tls = make_certificate(self.folder, lease)
        self.nodes = Nodes(record, self.queue, self.journal, self.folder, self.scratch, tls, self._changed)
        try:
            await self.nodes.keep()  # they start while the scheduler does
            await self._start_scheduler(tls)
            self._node_host = NodeHost(self.scheduler)
            self.runs = RunHost(self._node_host, lambda: {"address": self.scheduler.address, **tls}, self._touch)
            self.nodes.watch(self.scheduler, self._node_host)
            socket_path = control.runtime_folder() / f"{record.name}-{me.pid}.sock"
            server = await control.serve(socket_path, handlers)
            record.socket = str(socket_path)
            self.journal.add("started", pid=me.pid, scheduler=self.scheduler.address)
            self._changed()
            try:
                await self._keep()
            finally:
                server.close()
                socket_path.unlink(missing_ok=True)
        finally:
            await self._shut_down()

    async def _start_scheduler(self, tls: dict[str, str]) -> None:
        import dask
        from distributed import Scheduler

        dask.config.set(QUIET)
        self.scheduler = await Scheduler(
            host="127.0.0.1",
            port=0,
            security=security(tls),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
            scheduler_file=str(self.folder / "scheduler.json"),
        )
        self.record.scheduler = self.scheduler.address

    async def _start_dashboard(self) -> None:
        """Add Dask's pages once the nodes are there: their import (Bokeh) takes longer than all the rest."""
        pages = await asyncio.to_thread(importlib.import_module, "distributed.dashboard.scheduler")
        server = self.scheduler.http_server
        pages.connect(self.scheduler.http_application, server, self.scheduler, prefix="/")
        self.record.dashboard = f"http://127.0.0.1:{server.port}/status"
        self._changed()

    async def _keep(self) -> None:
        beat = 0.0
        dashboard: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            try:
                await self.nodes.keep()
                if self.nodes.exhausted and not self._node_host.nodes:
                    self.end(State.FAILED, self.nodes.exhausted)
                self._check_clocks()
                if dashboard is None and len(self._node_host.nodes) >= self.record.nodes_wanted:
                    dashboard = asyncio.create_task(self._start_dashboard())
                if loop.time() - beat > HEARTBEAT:
                    beat = loop.time()
                    self._changed()
            except PilothouseError as error:
                self.journal.add("trouble", reason=str(error))
                logger.warning("%s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()
            self._wake.clear()

    def _check_clocks(self) -> None:
        record, now = self.record, utcnow()
        no_node_yet = not any(node.state is State.RUNNING for node in record.nodes)
        if no_node_yet or self.runs.live or any(worker.processing for worker in self.scheduler.workers.values()):
            self._active = now
        idle_s = float(record.description["idle_timeout"])
        idle_end = None if self.runs.live else self._active + timedelta(seconds=idle_s)
        news = (idle_end is None) != (record.idle_end is None)
        record.idle_end = idle_end
        if news:
            self._changed()
        if idle_end is not None and now > idle_end:
            self.end(State.FINISHED, f"idle for {idle_s:g} s")
        if record.lease_end is not None and now > record.lease_end:
            self.end(State.FINISHED, "the lease is over")

    async def _shut_down(self) -> None:
        state, reason = self._end
        record = self.record
        record.state, record.reason = State.DRAINING, reason
        self._changed()
        if self.scheduler is not None:
            await self.runs.close(reason or "the pilot ends")
        await self.nodes.cancel_all()
        if self.scheduler is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self.scheduler.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
        remove_leftovers(self.folder)
        for name in ("tls.key", "tls.pem", "scheduler.json"):
            (self.folder / name).unlink(missing_ok=True)
        record.state, record.ended, record.idle_end, record.lease_end = state, utcnow(), None, None
        record.socket = record.scheduler = record.dashboard = ""
        self.journal.add(state.value, reason=reason)
        PILOTS.write(record)

    def end(self, state: State, reason: str) -> None:
        """Begin to end; the first reason counts."""
        if not self._ending.is_set():
            self._end = state, reason
            self._ending.set()
            self._wake.set()

    def _changed(self) -> None:
        record = self.record
        if not self._ending.is_set():
            running = any(node.state is State.RUNNING for node in record.nodes)
            if running:
                record.state, record.reason = State.RUNNING, self.nodes.exhausted
            elif record.state is State.RUNNING:
                record.state, record.reason = State.STARTING, "no node is running; they are being replaced"
        record.heartbeat = utcnow()
        PILOTS.write(record)

    def _touch(self) -> None:
        self._active = utcnow()

    # ------------------------------------------------------------- what clients ask

    def _op(self, function: Callable[..., Any]) -> control.Handler:
        async def handler(**arguments: Any) -> tuple[Any, bytes]:
            self._touch()
            return function(**arguments), b""

        return handler

    def _scale(self, nodes: int | None = None, by: int = 0) -> int:
        wanted = self.record.nodes_wanted + by if nodes is None else nodes
        limit = next(site.nodes for site in sites() if site.name == self.record.site)
        if not 0 <= wanted <= limit:
            raise InvalidInput(
                f"nodes={wanted}: site {self.record.site!r} has 0 to {limit} nodes for a pilot", field="nodes"
            )
        if wanted != self.record.nodes_wanted:
            self.journal.add("scale", nodes=wanted)
            self.record.nodes_wanted = wanted
            self.nodes.reset_limit()
            self._changed()
            self._wake.set()
        return wanted

    def _cancel(self) -> None:
        self.end(State.FINISHED, "cancelled")

    def _launch(self, name: str) -> None:
        if self._ending.is_set():
            raise Conflict(f"the pilot {self.record.name!r} is ending", field="pilot")
        self.runs.launch(name)
        self.journal.add("run launched", run=name)

    async def _stop_run(self, name: str) -> tuple[None, bytes]:
        await self.runs.stop(name)
        return None, b""

    async def _status(self, name: str) -> tuple[Any, bytes]:
        return self.runs.status(name), b""

    async def _frame(self, name: str, since: int = 0, wait: float = 0.0) -> tuple[Any, bytes]:
        return await self.runs.frame(name, since, wait)


def main(name: str) -> None:
    """Own the pilot called `name` until it ends."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    name_process("pilothouse")
    record = PILOTS.read(name)
    try:
        importlib.import_module("distributed")  # once, for this process and all its nodes
        asyncio.run(Supervisor(record, LocalQueue(fork_template())).run())
    except BaseException as error:
        logger.exception("the supervisor ends")
        record.state, record.ended = State.FAILED, utcnow()
        record.reason = f"the supervisor failed: {type(error).__name__}: {error}"
        PILOTS.write(record)
        raise
