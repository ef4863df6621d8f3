"""A node as the driver of tasks sees it: its launcher process, what is sent there, what runs there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.runs.cores import Allocation
from pilothouse.runs.protocols import NodeProcess, RunContext


@dataclass
class Slot:
    """An allocation at work: the tasks given to it that have not ended."""

    allocation: Allocation
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)


class Station:
    """One node's launcher. It is started with the first batch for the node.

    Parameters
    ----------
    module, config
        Of the launcher.
    heard
        Called with each message of the launcher.
    gone
        Called once when the launcher, or its node, has ended, with the reason.

    Attributes
    ----------
    slots
        What runs there, by the number of the allocation.
    useful
        Whether anything has ended there.
    """

    def __init__(
        self,
        context: RunContext,
        node: str,
        module: str,
        config: dict[str, Any],
        heard: Callable[[Station, dict[str, Any]], None],
        gone: Callable[[Station, str], None],
    ) -> None:
        self.node = node
        self.slots: dict[int, Slot] = {}
        self._context, self._module, self._config = context, module, config
        self._heard, self._gone = heard, gone
        self._outbox: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._process: NodeProcess | None = None
        self._started = asyncio.Event()
        self.useful = False
        self._life = asyncio.create_task(self._live())

    def give(self, slot: Slot, batch: dict[str, Any]) -> None:
        """Have `batch` run."""
        self.slots[slot.allocation.number] = slot
        self.tell({"op": "run", "batches": [batch]})

    def tell(self, message: dict[str, Any]) -> None:
        """Send `message`; batches that wait to be sent go together."""
        last = self._outbox[-1] if self._outbox else None
        if last is not None and last["op"] == message["op"] == "run":
            last["batches"] += message["batches"]
        else:
            self._outbox.append(message)
        self._news.set()

    async def stop(self, grace: float) -> None:
        """End the launcher and all that it started."""
        with contextlib.suppress(TimeoutError):  # one that is just being started must not be forgotten
            async with asyncio.timeout(1.0):
                await self._started.wait()
        self._life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._life
        if self._process is not None:
            await self._process.stop(grace)

    async def _live(self) -> None:
        why = ""
        try:
            try:
                label = f"{self._module.rpartition('.')[2]}-{self.node}"
                self._process = process = await self._context.spawn(
                    self._module, self._config, label=label, node=self.node
                )
            finally:
                self._started.set()
            sending = asyncio.create_task(self._send(process))
            try:
                async for message in process.messages():
                    why = message.get("error", why) if "proxy" not in message else why
                    self.useful = self.useful or "ended" in message
                    self._heard(self, message)
                code = await process.wait()
                why = why or f"its launcher ended with {code}"
            finally:
                sending.cancel()
        except PilothouseError as error:  # the node went before anything was started there
            why = str(error)
        self._gone(self, why)

    async def _send(self, process: NodeProcess) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._outbox:
                with contextlib.suppress(PilothouseError, OSError):  # whoever is gone is noticed by its end
                    await process.send(self._outbox.pop(0))
