"""Drives a run of tasks: waits for what comes first, gets cores, gives batches to the nodes, keeps the ends."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from pilothouse.errors import Failed
from pilothouse.runs.cores import Allocation, Capacity, Cores, Need
from pilothouse.runs.news import News
from pilothouse.runs.protocols import RunContext
from pilothouse.runs.terms import Terms, too_long
from pilothouse.tasks import mpi, predecessors
from pilothouse.tasks.board import Board
from pilothouse.tasks.ends import Ends
from pilothouse.tasks.station import Slot, Station

#: The least seconds between two samples, and the most between two looks at what the run waits for.
SAMPLE_S, WAITS_S = 0.1, 0.5
#: Seconds that launchers have to end what runs, when the run is stopped.
STOP_S = 1.2
#: Seconds between two looks whether the parts of a task have ended.
LOOK_S = 0.05
#: So many launchers may end on a node before anything has run there.
CRASHES = 2
#: Why a task is lost whose node the pilot did not give back.
TOLD = "its job was told to end"
#: Seconds after which it is known that a node is gone.
VERDICT_S = 1.0


class TaskDriver:
    """A run of the kind ``tasks``: one executable, or thousands, as :mod:`.specification` describes them.

    It ends when all have ended; as failed when one has. What has ended is in the folder's ``tasks.jsonl`` and is
    not run again when the run is driven a second time.
    """

    #: The module of the node processes, and what of the specification they are told.
    launcher = "pilothouse.tasks.launcher"
    common: tuple[str, ...] = ("stage", "cores", "ranks", "timeout", "launcher")

    async def drive(self, context: RunContext, spec: dict[str, Any]) -> None:
        """Drive the run with this specification to its end."""
        self.context, self.specification = context, spec
        self.need = self.each = Need(spec["cores"], spec["gpus"], spec["ranks"] or 1)
        self.board = Board(spec["tasks"], spec["retries"], Ends(context.folder), context.log)
        self.cores, self.terms = Cores.of(context.scheduler), Terms.of(context.scheduler)
        self.stations: dict[str, Station] = {}
        self.complete, self._news = asyncio.Event(), News()
        self._mark = secrets.token_hex(8)
        self._bad: set[str] = set()
        self._trouble = ""
        self._crashed: Counter[str] = Counter()
        self._judging: set[asyncio.Task[None]] = set()
        self._parts: dict[int, set[str]] = {}
        self._warned = False
        first = ", ".join(each.get("run") or each["key"] for each in spec["after"])
        self._follows = f"waits for {first}" if first else ""
        if spec["timeout"] and 0 < self._longest < spec["timeout"]:
            context.event("its nodes end before its timeout", timeout=spec["timeout"], walltime=self._longest)
        context.on_leaving(self._leave)
        sampling = asyncio.create_task(self._sample_regularly())
        try:
            if not self.board.complete and await self._unless_stopped(self._come_first(spec["after"])):
                self._follows = ""
                self.cores.add(self)
                await self._unless_stopped(self.complete.wait())
        finally:
            self.cores.remove(self)
            for task in (sampling, *self._judging):
                task.cancel()
            await asyncio.gather(sampling, *self._judging, return_exceptions=True)
            await asyncio.gather(*(station.close(STOP_S) for station in self.stations.values()))
            for station in self.stations.values():
                for slot in station.slots.values():
                    self.cores.release(slot.allocation)
            self.cores.dispatch()
            if spec["holder"]:
                predecessors.let_go(spec["holder"], context.scheduler)
        self._sample()
        if failure := self._trouble or self.board.failure():
            raise Failed(failure)

    async def _come_first(self, after: list[dict[str, Any]]) -> None:
        """Return when all has ended that comes first, and nothing of an earlier supervisor's runs any more."""
        await predecessors.wait(after, self.context.scheduler)
        self._follows = "waits to hear of the nodes that it ran on"
        await self.context.settled()

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, Any]) -> bool:
        """Whether `waiting` came to its end before the run was stopped."""
        wait, stop = asyncio.create_task(waiting), asyncio.create_task(self.context.stopping.wait())
        try:
            await asyncio.wait({wait, stop}, return_when=asyncio.FIRST_COMPLETED)
            if wait.done():
                wait.result()
            return wait.done()
        finally:
            for task in (wait, stop):
                task.cancel()
            await asyncio.gather(wait, stop, return_exceptions=True)

    # ------------------------------------------------------------------ cores come and go

    def wanted(self) -> int:
        """How many allocations it could use."""
        if self.board.pending and not self._warned:
            self._warn()
        return len(self.board.pending)

    @property
    def avoid(self) -> set[str]:
        """Nodes on which launchers crash, and those that do not last long enough for any of its tasks."""
        return self._bad | self._ending()

    def _ending(self) -> set[str]:
        """The nodes that do not last long enough for any of its tasks."""
        least = self.board.least_needed
        if not least and self.board.expected <= self.terms.least:  # most often
            return set()
        return {node for node in self.cores.nodes() if not self._may_begin(node, least)}

    def _may_begin(self, node: str, needs: float) -> bool:
        return self.terms.may_begin(node, needs, self.board.expected, self._longest)

    def _prepared(self, node: str) -> float:  # noqa: ARG002 - for what is not ready at once
        """Seconds that went by on `node` before a task could begin there."""
        return 0.0

    @property
    def _longest(self) -> float:
        """The longest walltime of the nodes that can hold a task, or a part of it."""
        return self.terms.longest(self._holds)

    def _holds(self, node: Capacity) -> bool:
        return self.each.ranks_on(node) > 0

    def _warn(self) -> None:
        """Say once when none of the nodes that are there will do."""
        nodes = self.cores.nodes()
        if nodes and not self._large(nodes):
            self._warned = True
            self.context.log(self._waits_for())

    def _large(self, nodes: dict[str, Capacity]) -> set[str]:
        """Those of these nodes that can hold a task, or a part of it."""
        return {name for name, node in nodes.items() if self._holds(node)}

    def _waits_for(self) -> str:
        """What it waits for, when nothing of it runs."""
        nodes = self.cores.nodes()
        if self._follows:
            return self._follows
        if not nodes:
            return self.context.without_nodes
        if not (large := self._large(nodes)):
            most = max(nodes.values(), key=lambda node: (node.cores, node.gpus))
            return (
                f"waits for a node of {self.each.cores} cores and {self.each.gpus} GPUs; "
                f"the largest one has {most.cores} and {most.gpus}"
            )
        if large <= self._ending():
            return "waits for a node that lasts longer than those that are there"
        return "waits for free cores and GPUs" if self.each.gpus else "waits for free cores"

    def place(self, allocation: Allocation) -> None:
        """Give this allocation a batch."""
        nodes = self.cores.nodes()
        alone = len(allocation.parts) > 1
        slots = sum(max(1, node.cores // max(1, self.need.cores * self.need.ranks)) for node in nodes.values())
        batch = self.board.take(
            len(self.board.pending) if alone else slots,
            lambda needs: all(self._may_begin(part.node, needs) for part in allocation.parts),
        )
        if not batch:  # time went on
            self.cores.release(allocation)
            return
        self._news.tell()
        for task in batch:
            task["slot"] = allocation.number
        slot = Slot(allocation, {task["task"]: task for task in batch})
        part = allocation.parts[0]
        if alone:
            self._spread(batch[0], allocation, nodes)
            for each in allocation.parts[1:]:
                self._station(each.node)  # it comes up while the head does
        self._station(part.node).give(slot, {
            "number": allocation.number, "gpus": part.gpus,
            "node_gpus": nodes[part.node].gpus, "tasks": batch,
        })  # fmt: skip

    def _spread(self, task: dict[str, Any], allocation: Allocation, nodes: dict[str, Capacity]) -> None:
        """Say how many ranks go where; the rest of the ranks' places stay empty."""
        left, parts = self.need.ranks, []
        for part in allocation.parts:
            ranks = min(left, self.need.ranks_on(nodes[part.node]))
            parts.append((part.node, nodes[part.node].host, ranks))
            left -= ranks
        task["hosts"], task["nodes"] = mpi.hosts_of(parts)
        task["gpus"] = {part.node: part.gpus for part in allocation.parts}
        task["node_gpus"] = {part.node: nodes[part.node].gpus for part in allocation.parts}

    def _station(self, node: str) -> Station:
        if node not in self.stations:
            config = self._config(node)
            self.stations[node] = Station(self.context, node, self.launcher, config, self._heard, self._gone)
        return self.stations[node]

    def _config(self, node: str) -> dict[str, Any]:
        spec = self.specification
        return {
            "node": node, "mark": self._mark,
            "common": {name: spec[name] for name in self.common},
            "folder": str(self.context.folder), "work": spec["work"], "many": spec["many"],
        }  # fmt: skip

    # ------------------------------------------------------------------ what launchers say

    def _heard(self, station: Station, message: dict[str, Any]) -> None:
        self._news.tell()
        if "ended" in message:
            returned, lost = message.get("returned", ()), message.get("lost", ())
            ends = []
            for end in message["ended"]:
                nodes = self._end_parts(station, end["task"])
                if nodes and end["error"]:
                    self._judge(self._verdict(end, nodes))
                else:
                    ends.append(end)
            station.forget([*(end["task"] for end in message["ended"]), *returned, *lost])
            self.board.hear(ends, station.node)
            self.board.take_back(returned)
            self.board.lose(lost, station.node, TOLD)
            for number in message["free"]:
                self.cores.release(station.slots.pop(number).allocation)
            if self.board.complete:
                self.complete.set()
            elif message["free"]:
                self.cores.dispatch()
        elif "cut" in message:
            for number, ran in message["cut"]:
                self._end_parts(station, number)
                station.forget([number])
                self._when_over([number], partial(self._cut_off, number, station.node, ran))
        elif "proxies" in message:
            self._start_proxies(station, message["proxies"], message["commands"])
        elif "part" in message:
            self._parts.get(message["part"], set()).discard(station.node)
        elif "proxy" in message:
            self._parts.get(message["proxy"], set()).discard(station.node)
            order = {"op": "kill", "task": message["proxy"], "why": f"it could not be started {message['error']}"}
            for other in self.stations.values():
                other.order(order)

    def _cut_off(self, number: int, node: str, ran: float) -> None:
        """A task was ended with its node."""
        term = self.terms.of_node(node)
        if node not in self.terms.given_back:
            self.board.lose([number], node, TOLD)
            return
        too_short = term is not None and self.terms.was_too_short(node, ran, self._longest, self._prepared(node))
        error = too_long(ran, node, term) if term is not None and too_short else ""
        self.board.cut_off(number, node, ran, self.terms.needs(node, ran), error)

    def _task(self, station: Station, number: int) -> dict[str, Any]:
        return next((slot.tasks[number] for slot in station.slots.values() if number in slot.tasks), {})

    def _end_parts(self, station: Station, number: int) -> Sequence[str]:
        """End the parts of a task that spans nodes, whose head has ended here; its nodes."""
        nodes: Sequence[str] = self._task(station, number).get("nodes", ())
        for node in nodes:
            self._order(node, {"op": "kill", "task": number, "why": "its task has ended"})
        return nodes

    def _order(self, node: str, order: dict[str, Any]) -> None:
        if node in self.stations:
            self.stations[node].order(order)

    def _when_over(self, numbers: Sequence[int], then: Callable[[], None]) -> None:
        """Call `then` when nothing of these tasks runs any more, on whatever node: they may begin again."""

        async def wait() -> None:
            await self._parts_ended(numbers)
            then()

        if any(map(self._parts.get, numbers)):
            self._judge(wait())
        else:
            then()

    async def _parts_ended(self, numbers: Sequence[int]) -> None:
        while any(map(self._parts.get, numbers)):  # noqa: ASYNC110 - a set per task, and rarely one
            await asyncio.sleep(LOOK_S)
        for number in numbers:
            self._parts.pop(number, None)

    def _judge(self, verdict: Coroutine[Any, Any, None]) -> None:
        async def judge() -> None:
            await verdict
            self._news.tell()
            if self.board.complete:
                self.complete.set()
            self.cores.dispatch()

        judging = asyncio.create_task(judge())
        self._judging.add(judging)
        judging.add_done_callback(self._judging.discard)

    async def _verdict(self, end: dict[str, Any], nodes: Sequence[str]) -> None:
        """Whether a task that spans nodes failed by itself, or with one of them: that is heard a moment later."""
        await asyncio.sleep(VERDICT_S)
        await self._parts_ended([end["task"]])
        if gone := [node for node in nodes if node not in self.cores.nodes()]:
            if gone[0] in self.terms.given_back:
                self._cut_off(end["task"], gone[0], end["seconds"])
            else:
                self.board.lose([end["task"]], gone[0], end["error"])
        else:
            self.board.hear([end], nodes[0])

    def _start_proxies(self, station: Station, number: int, commands: list[list[str]]) -> None:
        task = self._task(station, number)
        for node, command in zip(task.get("nodes", ()), commands, strict=bool(task)):  # it may have ended by now
            self._parts.setdefault(number, set()).add(node)
            own = {**task, "gpus": task["gpus"][node], "node_gpus": task["node_gpus"][node]}
            self._station(node).order({"op": "proxy", "task": own, "command": command})

    async def _leave(self, node: str, seconds: float) -> None:
        """What runs on a node that goes may end in time; the rest is run elsewhere."""
        if node in self.stations:
            await self.stations[node].leave(node, seconds)

    def _gone(self, station: Station, why: str) -> None:
        """A launcher, or its node, has ended."""
        self._news.tell()
        node = station.node
        if self.stations.get(node) is station:
            del self.stations[node]
        if not station.told:
            self._blame(station, why)
        for parts in self._parts.values():
            parts.discard(node)
        for slot in station.slots.values():
            for number in slot.tasks:
                self._end_parts(station, number)
            self._when_over([*slot.tasks], partial(self._lose, slot, node, why))
            self.cores.release(slot.allocation)
        station.slots.clear()
        for head in self.stations.values():  # MPI tasks that had a part there
            for slot in head.slots.values():
                for number, task in slot.tasks.items():
                    if node in task.get("nodes", ()):
                        head.order({"op": "kill", "task": number, "why": f"{node}, one of its nodes, is gone"})
        if self.board.complete:
            self.complete.set()
        self.cores.dispatch()

    def _lose(self, slot: Slot, node: str, why: str) -> None:
        """What was given to a node ended with it, without its launcher's word."""
        if node in self.terms.given_back:
            for number in slot.tasks:
                self._cut_off(number, node, time.monotonic() - slot.begun if len(slot.tasks) == 1 else 0.0)
        self.board.lose(slot.tasks, node, why)

    def _blame(self, station: Station, why: str) -> None:
        """Avoid a node that is there but on which launchers end before anything has run."""
        node, there = station.node, self.cores.nodes()
        self._crashed[node] += 1
        if node in there and not station.useful and self._crashed[node] >= CRASHES:
            self._bad.add(node)
            self.context.log(f"{node} is avoided from now on: {why}")
            if self._bad >= self._large(there):
                self._trouble = f"nothing can be started on {', '.join(sorted(self._bad))}: {why}"
                self.complete.set()

    # ------------------------------------------------------------------ what is shown

    async def _sample_regularly(self) -> None:
        shown = None
        while True:
            now = (self._running(), len(self.board.ended))
            if now != shown:
                shown = now
                self._sample()
            self.context.waits("" if self._running() or self.board.complete else self._waits_for())
            await self._news.heard(WAITS_S)
            await asyncio.sleep(SAMPLE_S)

    def _running(self) -> int:
        """How many tasks are being run."""
        return len(self.board.running)

    def _sample(self) -> None:
        board = self.board
        failed = float(board.failures)
        self.context.telemetry.append(
            time.time(), {"running": float(self._running()), "done": len(board.ended) - failed, "failed": failed}
        )
        self.context.progress(len(board.ended), board.total, "tasks")
