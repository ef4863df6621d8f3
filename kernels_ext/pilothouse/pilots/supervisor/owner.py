"""The supervisor: the detached process that owns one pilot and its runs.

It holds the Dask scheduler, keeps the set-point of nodes, drives the runs, keeps the lease and answers its clients.
It outlives kernels, browsers and servers. When it dies, another one can take its pilot over: what it owned is in the
pilot's record, its journal and the folders of its runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.pilots.node.node import after_death
from pilothouse.pilots.node.node import run as run_node
from pilothouse.pilots.node.unhurried import slow_down
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.queues.jobs import node_job
from pilothouse.pilots.queues.local import LocalQueue, fork_template, name_process
from pilothouse.pilots.queues.polling import Direct, Polling
from pilothouse.pilots.queues.protocols import Lent, Queue
from pilothouse.pilots.sites.site import Site
from pilothouse.pilots.sites.whole_jobs import whole
from pilothouse.pilots.supervisor.adaptive import Load
from pilothouse.pilots.supervisor.deriving import derived
from pilothouse.pilots.supervisor.first_node import FirstNode
from pilothouse.pilots.supervisor.listening import Listening
from pilothouse.pilots.supervisor.orphans import clear_lost, remove_torn, sweep_queue
from pilothouse.pilots.supervisor.set_point import Nodes
from pilothouse.pilots.supervisor.sparing import give_numpy, import_dask, in_child
from pilothouse.pilots.supervisor.takeover import adopt_nodes, resume_runs
from pilothouse.pilots.supervisor.writing import Writing
from pilothouse.registry import owning
from pilothouse.registry.folders import EVENTS, SCHEDULER
from pilothouse.registry.journal import Journal
from pilothouse.registry.line.tls import make_certificate, security, tls_files
from pilothouse.registry.liveness import clear_away, scratch_folder, this_process
from pilothouse.registry.records import PILOTS, PilotRecord, State
from pilothouse.runs.cores import Cores
from pilothouse.runs.host import RunHost
from pilothouse.runs.processes import NodeHost
from pilothouse.state import make_private, utcnow

logger = logging.getLogger(__name__)

#: Seconds between two looks at the nodes, the lease and the idle clock; and while all is as it should be.
TICK, CALM_TICK = 0.5, 2.0
#: Seconds between two heartbeats in the record.
HEARTBEAT = 30.0
#: Seconds by which the first submissions are ahead of the scheduler, whose start holds up everything else.
AHEAD_S = 0.05


class Supervisor:
    """One pilot's owner.

    Parameters
    ----------
    first
        Name of the node whose job this process runs in, where its placement is ``"job"``; else empty.
    certificate
        Makes the pilot's certificate, as :func:`~pilothouse.registry.line.tls.make_certificate` does by default.

    Attributes
    ----------
    ready
        Set when there is a scheduler, so that runs can be launched.
    ending
        Set when the pilot is to end.
    """

    def __init__(
        self,
        record: PilotRecord,
        queue: Queue,
        first: str = "",
        certificate: Callable[[], dict[str, str]] | None = None,
    ) -> None:
        self.record = record
        self.queue = queue
        self.site = Site.model_validate(record.settings)
        self.folder = PILOTS.folder(record.name)
        self._certificate = certificate or (lambda: make_certificate(self.folder))
        self.journal = Journal(self.folder / EVENTS)
        self.scratch = scratch_folder(record.name)
        self.writing = Writing(record, self._derive, self._superseded)
        self.changed = self.writing.changed
        self.wake = asyncio.Event()
        self.asking = Direct(queue) if self.site.system == "local" else Polling(queue, self.site)
        self.nodes = Nodes(
            record, queue, self.asking, self.journal, self.folder,
            lambda node, kind: node_job(record, node, kind), self.changed, self.wake.set,
        )  # fmt: skip
        self.first = FirstNode(self, first) if first else None
        self.ending = asyncio.Event()
        self.ready = asyncio.Event()
        self.active = utcnow()
        self.scheduler: Any = None
        self.dashboard: Any = None
        self.runs: RunHost
        self._end: tuple[State, str] = (State.FAILED, "the supervisor ended, and nobody had told it to")
        self.line = Listening(self)

    # ------------------------------------------------------------------ life

    async def run(self) -> None:
        """Bring the pilot up, keep it, end it."""
        record = self.record
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        record.supervisor = this_process()
        record.state, record.scratch = State.STARTING, str(self.scratch)
        if self.site.system == "local":
            make_private(self.scratch)
        if record.lease_end is None:
            record.lease_end = utcnow() + timedelta(seconds=float(record.description["lease"]))
        tls = self._certificate()
        adopt_nodes(record, self.journal)
        filling: asyncio.Task[None] | None = None
        try:
            await self.line.open(tls)  # before the first submission: whoever wants to end it is heard
            if self.first:
                await self.first.start()
            filling = asyncio.create_task(self._fill())
            await asyncio.wait({filling}, timeout=AHEAD_S)
            await self._start_scheduler(tls)
            self._node_host = NodeHost(self.scheduler)
            self.runs = RunHost(self._node_host, lambda: {"address": self.scheduler.address, **tls}, self.touch)
            self.ready.set()
            self.nodes.watch(self.scheduler, self._node_host)  # from now on nodes run: whoever waited may ask
            self.journal.add("started", pid=os.getpid(), host=socket.gethostname(), scheduler=self.scheduler.address)
            resume_runs(record, self.runs, self.journal)
            self.writing.write()
            await filling
            await self._keep()
        except BaseException as error:
            self.end(State.FAILED, f"the supervisor failed: {type(error).__name__}: {error}")
            raise
        finally:
            self.ending.set()
            if filling is not None:
                await asyncio.wait({filling})  # no job is submitted any more when all are ended
            await self._shut_down()

    async def _fill(self) -> None:
        """Submit what is missing until the scheduler is there: nodes start while it does."""
        while await self._keep_nodes() and self.scheduler is None and not self.ending.is_set():
            pass

    async def _start_scheduler(self, tls: dict[str, str]) -> None:

        from pilothouse.pilots.node.cells import pass_on
        from pilothouse.pilots.node.exits import NodeEnds
        from pilothouse.pilots.node.pages import Dashboard, Scheduler

        slow_down(**{"distributed.scheduler.http.routes": [], "temporary-directory": str(self.scratch)})
        self.scheduler = await Scheduler(
            ends=NodeEnds(self.record, self.folder, self.wake.set),
            host=self.line.address,
            port=0,
            security=security(tls),
            dashboard=False,
            scheduler_file=str(self.folder / SCHEDULER),
        )
        pass_on(self.scheduler)
        self.record.scheduler = self.scheduler.address
        self.dashboard = Dashboard(self.scheduler)

    async def _keep(self) -> None:
        beat = 0.0
        loop = asyncio.get_running_loop()
        sweeping = asyncio.create_task(self._sweep())
        adapting = self._adapting()
        while not self.ending.is_set():
            adapting()
            more = await self._keep_nodes()
            await self.line.keep()
            self.runs.write_ends()
            self._check_clocks()
            if loop.time() - beat > HEARTBEAT:
                beat = loop.time()
                self.changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0 if more else self._pause()):
                    await self.wake.wait()
            self.wake.clear()
        sweeping.cancel()

    def _pause(self) -> float:
        """Seconds until the next look, unless something happens before."""
        if self.first is not None or self.record.adapt is not None or not self.nodes.calm:
            return TICK
        ends = [end for end in (self.record.idle_end, self.record.lease_end) if end is not None]
        left = min((end - utcnow()).total_seconds() for end in ends) if ends else CALM_TICK
        return min(max(left, 0.05), CALM_TICK)

    async def _keep_nodes(self) -> bool:
        """One look at the nodes; whether there is more to submit at once.

        A batch system that does not answer is waited for: it never means an end.
        """
        more = False
        try:
            more = await self.nodes.keep()
            if self.first:
                await self.first.keep()
        except (PilothouseError, OSError) as error:
            if self.nodes.trouble != str(error):
                self.journal.add("trouble", reason=str(error))
                logger.warning("%s", error)
            self.nodes.trouble = str(error)
            self.changed()
            self._end_with_lender()
        self.record.gave_up = self.nodes.trying.exhausted
        gone = not any(not node.state.ended for node in self.record.nodes)
        if self.nodes.trying.exhausted and gone:
            self.end(State.FAILED, self.nodes.trying.exhausted)
        return more

    def _end_with_lender(self) -> None:
        """End where places are lent, and who lent them has gone with all that was there."""
        why = self.queue.gone if isinstance(self.queue, Lent) else ""
        if why and not any(node.state is State.RUNNING for node in self.record.nodes):
            state = State.FAILED if self.ready.is_set() and self.runs.live else State.FINISHED
            self.end(state, f"the cluster has gone: no node is left there, and {why}")

    def _adapting(self) -> Callable[[], None]:
        load, loop = Load(), asyncio.get_running_loop()

        def look() -> None:
            if self.record.adapt is None:
                return
            cores = self.nodes.description.cores
            busy = max(math.ceil(Cores.of(self.scheduler).demand() / cores), 1 if self.runs.live else 0)
            wanted = whole(load.wanted(self.record, self.scheduler, busy, loop.time()), self.site)
            if wanted != self.record.nodes_wanted:
                self.set_point(wanted, "load")

        return look

    async def _sweep(self) -> None:
        """End jobs of ours whose pilot has gone, and remove what killed processes and lost pilots have left."""
        await asyncio.to_thread(remove_torn)
        await asyncio.to_thread(clear_lost)
        if self.site.system != "local":
            try:
                swept = await sweep_queue(self.queue, self.site)
                for orphan in swept.orphans:
                    self.journal.add("orphan ended", job=orphan.job, pilot=orphan.pilot)
                for text in swept.doubtful:
                    self.journal.add("orphan not ended", reason=text)
            except PilothouseError as error:
                logger.warning("no sweep: %s", error)

    def _check_clocks(self) -> None:
        record, now = self.record, utcnow()
        no_node_yet = bool(record.nodes_wanted) and not any(node.state is State.RUNNING for node in record.nodes)
        computing = any(worker.processing for worker in self.scheduler.workers.values()) or self.scheduler.holds
        if no_node_yet or self.runs.live or computing:
            self.active = now
        idle_s = float(record.description["idle_timeout"])
        idle_end = None if self.runs.live else self.active + timedelta(seconds=idle_s)
        news = (idle_end is None) != (record.idle_end is None)
        record.idle_end = idle_end
        if news:
            self.changed()
        if idle_end is not None and now > idle_end:
            self.end(State.FINISHED, f"idle for {idle_s:g} s")
        if record.lease_end is not None and now > record.lease_end:
            self.end(State.FINISHED, "the lease is over")

    # ------------------------------------------------------------------ end

    def _signalled(self, number: signal.Signals) -> None:
        if self.first is not None and self.first.successor is not None:  # its job ends, not the pilot
            self.first.handing_over = True
            self.ending.set()
            self.wake.set()
        else:
            self.end(State.FINISHED, f"ended by {number.name}")

    async def _shut_down(self) -> None:
        record = self.record
        if self.first is not None and self.first.handing_over:
            self.line.close()
            await self.first.hand_over()
            return
        state, reason = self._end
        record.state, record.reason = State.DRAINING, reason
        self.writing.write()
        if self.ready.is_set():
            with _going_on():
                await self.runs.close(reason, failed=state is State.FAILED)
        with _going_on():
            reason += await self.nodes.giving_back.cancel_all()
        with _going_on():
            self.line.close()
            self.asking.close()
        if self.first is not None:
            with _going_on():
                await self.first.stop()
        if self.scheduler is not None:
            with _going_on(), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self.scheduler.close()
        with _going_on():
            clear_away(record)
        record.state, record.reason = state, reason
        record.ended, record.idle_end, record.lease_end = utcnow(), None, None
        record.forget_addresses()
        self.journal.add(state.value, reason=reason)
        await self.writing.last(lambda: not self.ready.is_set() or self.runs.write_ends())

    def end(self, state: State, reason: str) -> None:
        """Begin to end; the first reason counts."""
        if not self.ending.is_set():
            self._end = state, reason
            self.ending.set()
            self.wake.set()

    # ------------------------------------------------------------------ what others change

    def set_point(self, wanted: int, why: str) -> None:
        """Keep `wanted` nodes of the first kind beside those of the others."""
        kinds = self.record.wanted
        others = sum(number for kind, number in kinds.items() if kind != "node")
        kinds["node"] = max(wanted - others, 0)
        self.record.nodes_wanted = sum(kinds.values())
        self.journal.add("scale", nodes=self.record.nodes_wanted, why=why)
        self.nodes.trying.again()
        self.changed()
        self.wake.set()

    def _derive(self) -> None:
        """The pilot's state, as its nodes make it."""
        if not self.ending.is_set():
            scheduling = self.scheduler is not None
            self.record.state, self.record.reason = derived(self.record, self.nodes.summary, scheduling=scheduling)

    def _superseded(self, why: owning.Superseded) -> None:
        """It was cut off, and given up: the pilot is another supervisor's now, or nobody's."""
        self.journal.add("superseded", host=socket.gethostname(), reason=str(why))
        logging.shutdown()
        os._exit(1)

    def touch(self) -> None:
        """Somebody works with the pilot."""
        self.active = utcnow()


@contextlib.contextmanager
def _going_on() -> Iterator[None]:
    """What fails at the end must not keep the rest from ending."""
    try:
        yield
    except Exception:
        logger.exception("the pilot ends, and something else fails")


def main(name: str, first: str = "") -> None:
    """Own the pilot called `name` until it ends; inside the job of its node `first`, where that is given."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    faulthandler.enable(all_threads=False)  # what a crash of native code leaves of it is in the log
    name_process("pilothouse")
    record = PILOTS.read(name)
    if record.state.ended and record.state is not State.LOST:
        return  # a successor whose pilot ended before its job began
    try:
        folder = PILOTS.folder(name)
        made = in_child(lambda: make_certificate(folder))  # what that imports has 10 MB
        import_dask()  # once, for this process and all nodes that are forks of it
        site = Site.model_validate(record.settings)
        if site.system == "local":
            queue: Queue = LocalQueue(fork_template(run_node, give_numpy), after_death)
        else:
            queue = queue_for(site)
        certificate = lambda: tls_files(folder) if made() else make_certificate(folder)  # noqa: E731
        asyncio.run(Supervisor(record, queue, first, certificate).run())
    except BaseException as error:
        logger.critical("the supervisor ends", exc_info=True)
        if not record.state.ended or record.state is State.LOST:  # it has not come to its end
            record.state, record.ended = State.FAILED, utcnow()
            record.reason = f"the supervisor failed: {type(error).__name__}: {error}"
            with contextlib.suppress(PilothouseError, OSError):
                owning.write(record)
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
