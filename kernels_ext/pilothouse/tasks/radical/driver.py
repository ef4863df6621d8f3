"""Drives a run of tasks through RADICAL-Pilot: one whole node, all tasks at once, for RADICAL-Pilot packs them."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from pilothouse.runs.cores import Allocation, Need
from pilothouse.runs.protocols import RunContext
from pilothouse.tasks.driver import TaskDriver
from pilothouse.tasks.radical.launcher import HOME
from pilothouse.tasks.station import Slot, Station


class RadicalDriver(TaskDriver):
    """A run of the kind ``tasks`` that goes ``through="radical"``.

    Its allocation is the largest node of the pilot that can hold one of the tasks, until the run ends; other runs of
    tasks wait for that node.
    """

    launcher = "pilothouse.tasks.radical.launcher"
    common = (*TaskDriver.common, "gpus", "radical")

    async def drive(self, context: RunContext, spec: dict[str, Any]) -> None:
        """Drive the run to its end, and remove what RADICAL-Pilot leaves."""
        self._executing = 0
        self._each = Need(spec["cores"], spec["gpus"], spec["ranks"] or 1)
        await _forget(context)  # a supervisor before this one may have died
        try:
            await super().drive(context, spec)
        finally:
            await _forget(context)

    def wanted(self) -> int:
        """One node, while there is none."""
        there = self.cores.nodes().items()
        nodes = [node for name, node in there if name not in self.avoid and self._each.fits(node)]
        if nodes:
            largest = max(nodes, key=lambda node: node.cores)
            self.need = Need(largest.cores, largest.gpus)
        return int(bool(nodes and self.board.pending) and not any(each.slots for each in self.stations.values()))

    def place(self, allocation: Allocation) -> None:
        """Have all tasks run on this node."""
        self._give(self._station(allocation.node), Slot(allocation))

    def _give(self, station: Station, slot: Slot) -> None:
        batch: list[dict[str, Any]] = []
        while self.board.pending:
            batch += self.board.take(1)
        slot.tasks.update({task["task"]: task for task in batch})
        station.give(slot, {"tasks": batch})

    def _config(self, node: str) -> dict[str, Any]:
        capacity = self.cores.nodes()[node]
        return {**super()._config(node), "capacity": {"cores": capacity.cores, "gpus": capacity.gpus}}

    def _heard(self, station: Station, message: dict[str, Any]) -> None:
        super()._heard(station, message)
        if "hello" in message:
            self.context.log(f"RADICAL-Pilot is being started on {station.node}: that takes half a minute or more")
        elif "up" in message:
            self.context.log(f"RADICAL-Pilot is up on {station.node}")
        self._executing = message.get("executing", self._executing)
        if self.board.pending and station.slots:  # what is tried again
            self._give(station, next(iter(station.slots.values())))

    def _gone(self, station: Station, why: str) -> None:
        self._executing = 0
        super()._gone(station, why)

    def _running(self) -> int:
        return self._executing


async def _forget(context: RunContext) -> None:
    """Remove RADICAL-Pilot's home."""
    await asyncio.to_thread(shutil.rmtree, context.folder / HOME, ignore_errors=True)
