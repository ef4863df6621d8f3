"""How a node goes: nothing new comes to it, everybody takes away what is there, and it is dead when its job is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.pilots.queues.polling import Asking
from pilothouse.registry.records import NodeRecord
from pilothouse.runs.cores import Cores
from pilothouse.runs.processes import NodeHost

#: Seconds between two looks at the tasks of a node that goes.
LOOK_S = 0.1
#: Seconds after which it is said that a job has not ended which was told to.
END_S = 600.0
#: What Dask calls a worker that goes.
_GOING = "closing_gracefully"
#: How the scheduler's history names the reason.
_REASON = "pilothouse-departure"


class Departing:
    """The nodes of a pilot that go, as far as its scheduler and its runs are concerned.

    Whoever is busy there counts: Dask's tasks, executables, and the processes of runs.
    """

    def __init__(self, scheduler: Any, host: NodeHost, asking: Asking) -> None:
        self._scheduler, self._host, self._asking = scheduler, host, asking

    def busy(self, names: Iterable[str]) -> set[str]:
        """Those of these nodes on which somebody works."""
        found = {str(worker.name) for worker in self._scheduler.workers.values() if worker.processing}
        found |= Cores.of(self._scheduler).used.keys()
        return {name for name in names if name in found or self._host.is_busy(name)}

    def announce(self, node: NodeRecord) -> None:
        """Start nothing more there: what leaves one of several nodes that go, data too, does not go to the next."""
        self._host.announce(node.name)
        Cores.of(self._scheduler).close(node.name)
        if node.address in self._scheduler.workers:  # as Scheduler.retire_workers does it, whose turn comes later
            self._scheduler.handle_worker_status_change(_GOING, node.address, _REASON)
            order = {"op": "worker-status-change", "status": _GOING, "stimulus_id": _REASON}
            self._scheduler.stream_comms[node.address].send(order)

    async def empty(self, node: NodeRecord, seconds: float, *, more: bool = False) -> None:
        """Have everybody take away what is on the node: runs their processes, Dask its tasks and its data.

        Parameters
        ----------
        more
            Other nodes are there or will be: what nobody can take at the moment is kept for them, so many seconds.
        """
        if not node.address:
            return
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.gather(self._host.clear(node.name, seconds), self._retire(node.address, more))
        if node.address:  # expected: what is still at work there is given to others, and is not to blame
            await self._scheduler.remove_worker(node.address, expected=True, close=False, stimulus_id=_REASON)

    async def _retire(self, address: str, more: bool) -> None:
        """Give the worker no more tasks, let it finish those that it is at, move its data elsewhere."""
        worker = self._scheduler.workers.get(address)
        while worker is not None and self._scheduler.workers.get(address) is worker:
            if self._staying() or not more:
                with contextlib.suppress(OSError):  # it has just gone by itself, which is heard of in a moment
                    await self._scheduler.retire_workers([address], close_workers=False, remove=False)
            if not worker.processing and not self._has_alone(worker, more):
                return
            await asyncio.sleep(LOOK_S)

    def _has_alone(self, worker: Any, more: bool) -> bool:
        """Whether what a worker has that goes is with none that stays, though there are some, or will be.

        For :meth:`distributed.Scheduler.retire_workers` a key is moved when any other has it, be it one that goes too.
        Actors can't be moved; beside them it moves nothing.
        """
        stay = self._staying()
        if worker.actors or not (stay or more):
            return False
        return any(stay.isdisjoint(task.who_has) for task in worker.has_what)

    def _staying(self) -> set[Any]:
        """The workers that are there and do not go."""
        return {worker for worker in self._scheduler.workers.values() if worker.status.name != _GOING}

    async def gone(self, node: NodeRecord, late: Callable[[], None], *, unheard: bool = False) -> None:
        """Wait until nothing of a node is left whose job was told to end: the batch system says so.

        Parameters
        ----------
        late
            Called each time that it does not for :data:`END_S` seconds.
        unheard
            There may be something of which nobody here knows.
        """
        while unheard or self._host.is_busy(node.name):
            try:
                if not await self._asking.gone([node.job], timeout=END_S):
                    break
                late()
            except PilothouseError:  # the batch system does not answer
                await asyncio.sleep(1.0)
        self.ended(node)

    def ended(self, node: NodeRecord) -> None:
        """The node's job has ended, and all that was in it."""
        self._host.node_ended(node.name)
