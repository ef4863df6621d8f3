"""The processes of a stream, seen from the driver: started, told where the log is, listened to, restarted."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from typing import Any

from pilothouse.errors import Failed, PilothouseError
from pilothouse.pilots.protocols import NodeProcess, RunContext
from pilothouse.streams.tally import Tally
from pilothouse.streams.workers import machine

#: How often one process may die before the run gives up.
RESTARTS = 3


class Place:
    """The machine and the folder of the run's log: those of the process that first says where it is."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.machine: str | None = None
        self.node: str | None = None
        self.log = ""

    def take(self, hello: Mapping[str, str], node: str) -> bool:
        """Whether a process there can reach the log."""
        if self.machine is None:
            self.machine, self.node = hello["machine"], node
            self.log = f"{hello['scratch']}/pilothouse-{self.run_id}"
        return hello["machine"] == self.machine

    def tidy(self) -> None:
        """Delete the log, if it is still there and on this machine."""
        if self.log and self.machine == machine():
            shutil.rmtree(self.log, ignore_errors=True)


class Member:
    """One producer or consumer over all its lives.

    Parameters
    ----------
    context, place, tally
        The run's.
    module, label
        What is started, and under which name it is logged and counted.
    config
        What it gets, with ``life`` (0, 1, ...) added.
    """

    def __init__(
        self, context: RunContext, place: Place, tally: Tally, module: str, label: str, config: Mapping[str, Any]
    ) -> None:
        self.label = label
        self.process: NodeProcess | None = None
        self.done: dict[str, Any] = {}
        self.finished = asyncio.Event()
        self.warm: float | None = None
        self.lives = 0
        self._context, self._place, self._tally = context, place, tally
        self._module, self._config = module, config
        self._orders: list[dict[str, Any]] = []
        self._greeted = False  # the process waits for "go" first; orders before that follow it
        self._ending = False

    async def live(self, node: str | None) -> None:
        """Keep the process alive until it ends by itself or is stopped.

        Raises
        ------
        Failed
            It reports an error, or died too often.
        """
        while not self._ending:
            self._greeted = False
            self.process = process = await self._context.spawn(
                self._module, {**self._config, "life": self.lives}, label=self.label, node=node
            )
            error, elsewhere = None, False
            async for message in process.messages():
                if "hello" in message:
                    first = self._place.machine is None
                    elsewhere = not self._place.take(message["hello"], process.node)
                    if first:
                        self._context.event("log placed", path=self._place.log, node=process.node)
                    if elsewhere:
                        break
                    await self._tell({"op": "go", "log": self._place.log})
                    self._greeted = True
                    for order in list(self._orders):
                        await self._tell(order)
                elif "sample" in message:
                    self._tally.report(self.label, message["sample"])
                elif "warm" in message:
                    self.warm = message["warm"]
                    self._context.event("processor warm", label=self.label, seconds=round(message["warm"], 3))
                elif "done" in message:
                    self.done = message["done"]
                    self.finished.set()
                elif "error" in message:
                    error = message["error"]
            if elsewhere:
                self._context.log(f"{self.label}: {process.node} is on another machine than the log; moved")
                await process.stop(grace=1.0)
                node = self._place.node
                continue
            code = await process.wait()
            if error is not None:
                raise Failed(f"{self.label} failed: {error}")
            if code == 0 or self._ending:
                break
            self.lives += 1
            self._context.event("process died", label=self.label, code=code, restart=self.lives)
            if self.lives > RESTARTS:
                raise Failed(f"{self.label} died {self.lives} times, at last with exit code {code}")
            nodes = self._context.nodes
            node = process.node if process.node in nodes else None
        self.finished.set()

    async def order(self, order: dict[str, Any]) -> None:
        """Tell the process, and each of its successors, something."""
        self._orders.append(order)
        if self._greeted:
            await self._tell(order)

    async def _tell(self, order: dict[str, Any]) -> None:
        if self.process is not None:
            with contextlib.suppress(PilothouseError, OSError):  # whoever is gone is noticed by its end
                await self.process.send(order)

    async def end(self, grace: float) -> None:
        """Have the process stop, for good."""
        self._ending = True
        if self.process is not None:
            await self.process.stop(grace=grace)
        self.finished.set()
