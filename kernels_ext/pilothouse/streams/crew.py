"""The processes of a stream, seen from the driver: told where the log is, listened to, moved with the log."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse.errors import Failed
from pilothouse.runs.keeping import Kept
from pilothouse.runs.protocols import NodeProcess, RunContext
from pilothouse.streams.place import Place
from pilothouse.streams.tally import Tally

#: Seconds for the log to be saved when its node is gone already.
SAVE_S = 60.0
#: Seconds that a process has to end which is on another machine than the log.
ELSEWHERE_S = 1.0


class Crew:
    """All processes of a stream. What they must not lose with a node is the log; whoever has it open can save it."""

    def __init__(self, context: RunContext, place: Place) -> None:
        self.context, self.place = context, place
        self.members: list[Member] = []
        self._moves: dict[str, asyncio.Task[None]] = {}

    async def leave(self, node: str, seconds: float) -> None:
        """Take away what is on `node`: its processes, and the log with all processes, when it is there."""
        home = self.place.node
        if home is not None and (node == home or home not in self.context.nodes):  # both go at the same time
            await self.move_log(home, seconds)
        await asyncio.gather(*(member.leave(node, seconds) for member in self.members))

    async def move_log(self, node: str, seconds: float) -> None:
        """Bring the log from `node` to where the next process finds it, once nobody writes to it any more.

        Its processes end in so many seconds, but for one that saves the log and has time for that. Whoever waits for
        this, and for how long, changes nothing.
        """
        if node not in self._moves and self.place.node == node:
            self.place.open.clear()
            self._moves[node] = asyncio.create_task(self._move_log(node, seconds))
        if node in self._moves:
            await asyncio.shield(self._moves[node])

    async def _move_log(self, node: str, seconds: float) -> None:
        place = self.place
        try:
            have = [member for member in self.members if member.has_log]
            last = have[0] if have else None
            await asyncio.gather(*(member.move(seconds) for member in self.members if member is not last))
            if last is not None:
                await last.move(seconds, "save")
            self.context.event("log left", path=place.log, node=node, saved=last is not None)
            await asyncio.to_thread(place.leave)
        finally:
            place.open.set()
            del self._moves[node]

    async def miss_log(self) -> None:
        """The log is not there any more, or its node is not: processes that have it open can save it still."""
        if self.place.node is not None:
            await self.move_log(self.place.node, SAVE_S)

    def close(self) -> None:
        """The run ends."""
        for task in self._moves.values():
            task.cancel()

    async def placed(self, found: dict[str, Any], node: str, tally: Tally) -> None:
        """The log is there; when it was put back, `found` says what it holds."""
        place = self.place
        place.ready.set()
        if found:
            place.paused_s += found["paused_s"]
            totals: Counter[str] = Counter()
            for label, values in found["counts"].items():
                totals.update(values)
                tally.report(label, dict(values))
            self.context.event(
                "log restored", path=place.log, node=node, produced=totals["produced"], consumed=totals["consumed"],
                paused_s=round(found["paused_s"], 3),
            )  # fmt: skip
        for member in self.members:
            await member.greet()


class Member(Kept):
    """One producer or consumer over all its lives.

    Parameters
    ----------
    crew, tally
        The run's.
    module, label
        What is started, and under which name it is logged and counted.
    config
        What it gets, with ``life`` (0, 1, ...) added.
    node
        Where it is started first.
    """

    def __init__(
        self, crew: Crew, tally: Tally, module: str, label: str, config: Mapping[str, Any], node: str | None
    ) -> None:
        super().__init__(crew.context, module, label)
        self.finished = asyncio.Event()
        self.partitions: list[int] = config.get("partitions", [])
        self.warm: float | None = None
        self._crew, self._place, self._tally = crew, crew.place, tally
        self._config, self._node = config, node
        self._orders: list[dict[str, Any]] = []
        self._waits = False  # it has said hello and is to be told where the log is
        self._greeted = False  # it was told; orders before that follow it

    async def ready(self) -> None:
        """Not while the log moves."""
        await self._place.open.wait()
        self._waits = self._greeted = False

    def config(self) -> Mapping[str, Any]:
        """Its own, and which of its lives this is."""
        return {**self._config, "life": self.starts}

    def where(self) -> str | None:
        """Where it was, or beside the log, when these nodes are there."""
        nodes = self.context.nodes
        return next((node for node in (self._node, self._place.node) if node in nodes), None)

    def failure(self, error: str) -> str:
        """With its name."""
        return f"{self.label} failed: {error}"

    @property
    def has_log(self) -> bool:
        """Whether its process works on the log, and can save it."""
        return self._greeted and not self.told and self.process is not None and not self.process.ended

    async def hear(self, message: dict[str, Any]) -> bool:
        """Counts go to the tally; what is said of the log concerns the whole crew."""
        assert self.process is not None  # noqa: S101  # it is speaking
        place, node = self._place, self.process.node
        if "hello" in message:
            await self._place_it(message["hello"], node)
        elif "placed" in message:
            await self._crew.placed(message["placed"], node, self._tally)
        elif "lost" in message:
            await self._miss()
        elif "sample" in message:
            if (place.earlier or not place.begun) and not self.told:  # else it is of the time before
                await asyncio.to_thread(place.settled)
            self._tally.report(self.label, message["sample"])
        elif "warm" in message:
            self.warm = message["warm"]
            self.context.event("processor warm", label=self.label, seconds=round(message["warm"], 3))
        elif "done" in message:
            self.finished.set()
            return True
        return False

    async def greet(self) -> None:
        """Tell a process that waits for it where the log is; the first one there makes it, the others wait for that."""
        place = self._place
        make = not place.ready.is_set()
        if not self._waits or self.told or (make and place.maker != self.label):
            return
        self._waits, self._greeted = False, True
        await self.tell({"op": "go", "log": place.log, "make": make, "earlier": place.earlier if make else []})
        for order in list(self._orders):
            await self.tell(order)

    async def _place_it(self, hello: Mapping[str, str], node: str) -> None:
        """A process says where it is: the log is there, too, or it comes there, or the process goes to it."""
        place = self._place
        await place.open.wait()
        if self.told or node not in self.context.nodes:  # it was started on a node that goes
            return
        first = place.machine is None
        if place.take(hello, node, self.label):
            self._waits, self._node = True, node
            if first:
                await asyncio.to_thread(place.remember)
                self.context.event("log placed", path=place.log, node=node)
            await self.greet()
            return
        self.context.log(f"{self.label}: {node} is on another machine than the log; moved")
        self._node = place.node
        await self.move(ELSEWHERE_S)
        if place.node not in self.context.nodes:
            await self._crew.miss_log()

    async def _miss(self) -> None:
        """A process did not find the log."""
        if self.told or self._ending:
            return
        if self._place.ready.is_set():  # it was there
            self.told = True  # it ends, and is not to blame
            await self._crew.miss_log()
            return
        raise Failed(
            "the run's log, which lay on its node's own disk, is gone with that node: what was produced "
            "and processed is lost; launch the run again"
        )

    async def lost(self, process: NodeProcess) -> None:
        """When the log's node has gone without a word, the log is where other processes have it open."""
        if process.node == self._place.node and process.node not in self.context.nodes:
            await self._crew.move_log(process.node, SAVE_S)

    async def order(self, order: dict[str, Any]) -> None:
        """Tell the process, and each of its successors, something."""
        self._orders.append(order)
        if self._greeted:
            await self.tell(order)

    async def move(self, seconds: float, order: str = "leave") -> None:
        """Have the process end within so many seconds, and the log left where it is (``leave``) or saved (``save``)."""
        if self.has_log:
            await self.tell({"op": order})
        await super().move(seconds)

    async def live(self) -> None:
        """Keep it until its work is done, or it is stopped."""
        await super().live()
        self.finished.set()

    async def end(self, grace: float, order: str = "leave") -> None:
        """Have the process stop, for good.

        Parameters
        ----------
        order
            What becomes of the log as far as this process has it: ``"leave"``, ``"remove"``; or nothing, and it is
            saved for another driver.
        """
        if order and self._greeted:
            await self.tell({"op": order})
        await self.stop(grace)
        self.finished.set()


async def all_finished(members: Iterable[Member]) -> None:
    """Wait until all of them have finished."""
    for member in members:
        await member.finished.wait()
