"""Drives a run of tasks through RADICAL-Pilot: one on each whole node that tasks are left for; it packs them there."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import Any

from pilothouse.runs.cores import Allocation, Capacity, Need
from pilothouse.runs.protocols import RunContext
from pilothouse.tasks.driver import STOP_S, TaskDriver
from pilothouse.tasks.radical.launcher import HOME
from pilothouse.tasks.station import Slot, Station

#: Seconds that RADICAL-Pilot takes to start, at least.
START_S = 30.0
#: A node is given tasks ahead for so many seconds, and at most so many: RADICAL-Pilot takes a moment to begin one.
AHEAD_S, AHEAD = 5.0, 128


class RadicalDriver(TaskDriver):
    """A run of the kind ``tasks`` that goes ``through="radical"``.

    Its allocations are whole nodes that can hold one of the tasks, free ones and large ones first. Other runs of tasks
    wait for them; a node for which no task is left is given back.
    """

    launcher = "pilothouse.tasks.radical.launcher"
    common = (*TaskDriver.common, "gpus", "radical")

    async def drive(self, context: RunContext, spec: dict[str, Any]) -> None:
        """Drive the run to its end, and remove what RADICAL-Pilot leaves."""
        self._executing: dict[str, int] = {}
        self._took: dict[str, float] = {}
        self._start_s = START_S
        self._closing: set[str] = set()
        self._next = ""
        await _forget(context)  # a supervisor before this one may have died
        try:
            await super().drive(context, spec)
        finally:
            await _forget(context)

    # ------------------------------------------------------------------ nodes

    def wanted(self) -> int:
        """How many nodes it could use, the next one of which is chosen here."""
        nodes = self.cores.nodes()
        free = sorted(self._large(nodes) - self.stations.keys() - self._bad - self._ending())
        used = self.cores.used
        self._next = max(free, key=lambda name: (name not in used, nodes[name].cores), default="")
        self.need = Need(nodes[self._next].cores, nodes[self._next].gpus) if self._next else self.each
        super().wanted()  # which says that none will do
        return -(-self._left_over() // (self._places(nodes[self._next]) if self._next else 1))

    @property
    def avoid(self) -> set[str]:
        """All nodes but the chosen one."""
        return {*self.cores.nodes()} - {self._next}

    def _left_over(self) -> int:
        """How many tasks wait that find no place where RADICAL-Pilot is, or is being started, and will not soon."""
        nodes, ending = self.cores.nodes(), self._ending()
        room = up = 0
        for name in filter(self._takes, self.stations.keys() - ending):
            places = self._places(nodes[name])
            room += max(places - self._given(name), 0)
            up += places if name in self._took else 0
        pending = len(self.board.pending)
        if up and 0 < pending * self.board.expected < up * self._start_s:
            return 0
        return max(pending - room, 0)

    def _takes(self, name: str) -> bool:
        """Whether a node at which RADICAL-Pilot is, or is being started, takes tasks."""
        station = self.stations[name]
        return bool(station.slots) and not station.told and name not in self._closing and name in self.cores.nodes()

    def _holds(self, node: Capacity) -> bool:
        return self.each.fits(node)

    def _places(self, node: Capacity) -> int:
        """How many tasks such a node takes at once."""
        places = node.cores // (self.each.cores * self.each.ranks)
        return min(places, node.gpus // self.each.gpus) if self.each.gpus else places

    def _ending(self) -> set[str]:
        least = self.board.least_needed
        return {node for node in self.cores.nodes() if not self._may_begin(node, least)}

    def _prepared(self, node: str) -> float:
        return self._took.get(node, 0.0)

    def _may_begin(self, node: str, needs: float) -> bool:
        start = 0.0 if node in self._took else self._start_s
        needs = needs + start if needs else 0.0
        return self.terms.may_begin(node, needs, self.board.expected + start, self._longest, self._prepared(node))

    def place(self, allocation: Allocation) -> None:
        """Start RADICAL-Pilot on this node."""
        self._station(allocation.node).slots[allocation.number] = Slot(allocation)

    def _config(self, node: str) -> dict[str, Any]:
        capacity = self.cores.nodes()[node]
        return {**super()._config(node), "capacity": {"cores": capacity.cores, "gpus": capacity.gpus}}

    # ------------------------------------------------------------------ tasks

    def _deal(self) -> None:
        """Give out tasks, the next one to the node that has the fewest for its size; end what gets none."""
        nodes = self.cores.nodes()
        up = {name: self._places(nodes[name]) for name in filter(self._takes, self.stations) if name in self._took}
        ready = set(up)
        while ready and self.board.pending:
            name = min(ready, key=lambda name: self._given(name) / up[name])
            batch = []
            if self._given(name) < self._depth(name, up[name]):
                batch = self.board.take(len(self.board.pending), lambda needs: self._may_begin(name, needs))  # noqa: B023
            if batch:
                self._give(self.stations[name], batch)
            else:
                ready.remove(name)
        for name in up:
            if not self._given(name) and not self.board.complete:
                self._closing.add(name)
                self._judge(self._close(self.stations[name]))

    def _depth(self, name: str, places: int) -> int:
        """How many tasks a node with so many places may have."""
        expected = self.board.expected
        if not expected or self.terms.renewed(name):
            return places
        return places + min(int(AHEAD_S / expected) * places, AHEAD)

    def _given(self, name: str) -> int:
        return sum(len(slot.tasks) for slot in self.stations[name].slots.values())

    def _give(self, station: Station, batch: list[dict[str, Any]]) -> None:
        slot = next(iter(station.slots.values()))
        slot.tasks.update({task["task"]: task for task in batch})
        slot.begun = time.monotonic()
        station.give(slot, {"tasks": batch})

    async def _close(self, station: Station) -> None:
        """End RADICAL-Pilot where it has no task."""
        node = station.node
        self.context.log(f"RADICAL-Pilot is ended on {node}: no task is left for it")
        await station.close(STOP_S)
        for slot in station.slots.values():
            self.cores.release(slot.allocation)
        station.slots.clear()
        if self.stations.get(node) is station:
            del self.stations[node]
        self._forget_node(node)

    def _forget_node(self, node: str) -> None:
        self._closing.discard(node)
        self._took.pop(node, None)
        self._executing.pop(node, None)

    # ------------------------------------------------------------------ what launchers say

    def _heard(self, station: Station, message: dict[str, Any]) -> None:
        super()._heard(station, message)
        node = station.node
        if "hello" in message:
            self.context.log(f"RADICAL-Pilot is being started on {node}: that takes half a minute or more")
        elif "up" in message:
            self._took[node] = time.monotonic() - next(iter(station.slots.values())).begun
            self._start_s = max(self._start_s, self._took[node])
            self.context.log(f"RADICAL-Pilot is up on {node}")
        elif "executing" in message:
            self._executing[node] = message["executing"]
            return
        self._deal()

    def _gone(self, station: Station, why: str) -> None:
        super()._gone(station, why)
        self._forget_node(station.node)
        self._deal()

    def _running(self) -> int:
        return sum(self._executing.values())

    def _waits_for(self) -> str:
        if starting := sorted(name for name in filter(self._takes, self.stations) if name not in self._took):
            return f"waits for RADICAL-Pilot, which is being started on {', '.join(starting)}"
        if begins := sorted(filter(self._given, self.stations)):
            return f"waits for RADICAL-Pilot on {', '.join(begins)} to begin a task"
        return super()._waits_for()


async def _forget(context: RunContext) -> None:
    """Remove the homes of RADICAL-Pilot."""
    await asyncio.to_thread(shutil.rmtree, context.folder / HOME, ignore_errors=True)
