"""A node as the driver of tasks sees it: its launcher process, what is sent there, what runs there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.runs.cores import Allocation
from pilothouse.runs.keeping import Kept
from pilothouse.runs.protocols import RunContext


@dataclass
class Slot:
    """An allocation at work: the tasks given to it that have not ended."""

    allocation: Allocation
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)


class Station(Kept):
    """One node's launcher. It is started with the first batch for the node.

    When its node is about to go it begins nothing more, and gives back what it has not begun.

    Parameters
    ----------
    module, config
        Of the launcher.
    heard
        Called with each message of the launcher.
    gone
        Called once when the launcher has ended, with the reason.

    Attributes
    ----------
    slots
        What runs there, by the number of the allocation.
    useful
        Whether anything has ended there.
    """

    finishes = stays = True

    def __init__(
        self,
        context: RunContext,
        node: str,
        module: str,
        config: dict[str, Any],
        heard: Callable[[Station, dict[str, Any]], None],
        gone: Callable[[Station, str], None],
    ) -> None:
        super().__init__(context, module, f"{module.rpartition('.')[2]}-{node}")
        self.node = node
        self.slots: dict[int, Slot] = {}
        self._config = config
        self._heard, self._gone = heard, gone
        self._outbox: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self.useful = False
        self._life = asyncio.create_task(self._live())
        self._sending = asyncio.create_task(self._send())

    def config(self) -> Mapping[str, Any]:
        """The launcher's."""
        return self._config

    def where(self) -> str:
        """Its node."""
        return self.node

    def give(self, slot: Slot, batch: dict[str, Any]) -> None:
        """Have `batch` run."""
        self.slots[slot.allocation.number] = slot
        self.order({"op": "run", "batches": [batch]})

    def forget(self, numbers: Iterable[int]) -> None:
        """These tasks are not here any more: where they run next is not this one's business."""
        for number in numbers:
            for slot in self.slots.values():
                if slot.tasks.pop(number, None) is not None:
                    break

    def order(self, message: dict[str, Any]) -> None:
        """Send `message` soon; batches that wait to be sent go together."""
        last = self._outbox[-1] if self._outbox else None
        if last is not None and last["op"] == message["op"] == "run":
            last["batches"] += message["batches"]
        else:
            self._outbox.append(message)
        self._news.set()

    async def hear(self, message: dict[str, Any]) -> bool:
        """What has become of tasks goes to the driver."""
        self.useful = self.useful or bool(message.get("ended"))
        self._news.set()
        self._heard(self, message)
        return False

    async def close(self, grace: float) -> None:
        """End the launcher and all that it started; nothing is heard of it any more."""
        self._life.cancel()
        self._sending.cancel()
        await asyncio.gather(self._life, self._sending, return_exceptions=True)
        await self.stop(grace)

    async def _live(self) -> None:
        try:
            await self.live()
            why = "it went before the task was done"
        except PilothouseError as error:
            why = str(error)
        self._sending.cancel()
        self._gone(self, why)

    async def _send(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._outbox and self.process is not None:
                await self.tell(self._outbox.pop(0))
