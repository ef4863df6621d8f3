"""The processes of runs on a pilot's nodes, over the connections of its Dask scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from pilothouse.errors import PilothouseError, Unavailable
from pilothouse.runs.news import News
from pilothouse.runs.protocols import Leaving
from pilothouse.runs.terms import Terms

logger = logging.getLogger(__name__)

#: Seconds for the news of a process that was killed.
KILL_S = 5.0


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

    @property
    def exit_code(self) -> int | None:
        """How the process ended; None while it has not."""
        return self._ended.result() if self.ended else None

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

    async def stop(self, grace: float = 1.5) -> int | None:
        """Ask the process to end, kill it after `grace` seconds; None where its end is not known in time."""
        if not self.ended and not await self._after(grace, self.send({"op": "stop"})):
            await self._after(KILL_S, self._host.tell(self.node, "pilothouse_kill", key=self._key))
        return self.exit_code

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
        self.news = News.of(scheduler)
        self._processes: dict[str, Process] = {}
        self._keys = itertools.count(1)
        self._leaving: set[str] = set()
        self.hand_overs: list[Leaving] = []
        #: What to do about a node that was told to end, and has so many seconds.
        self.told: Callable[[str, float], None] = lambda _node, _seconds: None
        #: Whether a node of an earlier supervisor goes on, for all that is known, and is not heard of.
        self.unheard: Callable[[], bool] = lambda: False
        #: What runs wait for while no node is there.
        self.without_nodes: Callable[[], str] = lambda: "waits for a node"
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
            terms = Terms.of(self._scheduler)  # where it need not move soon
            load = {name: sum(p.node == name for p in self._processes.values()) for name in names}
            node = min(names, key=lambda name: (terms.renewed(name), load[name], names.index(name)))
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
