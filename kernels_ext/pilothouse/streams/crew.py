"""The processes of a stream, seen from the driver: started, told where the log is, listened to, restarted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.errors import Failed, PilothouseError
from pilothouse.runs.protocols import NodeProcess, RunContext
from pilothouse.state import utcnow, write_atomic
from pilothouse.streams import salvage
from pilothouse.streams.tally import Tally
from pilothouse.streams.workers import machine

#: The file in the run's folder that says where the log is.
PLACE = "place.json"
#: How often one process may die before the run gives up.
RESTARTS = 3


class Place:
    """The machine and the folder of the run's log: those of the process that first says where it is.

    It is remembered in the run's `folder`, so that another driver can go on.

    Attributes
    ----------
    begun
        The log's messages have been counted: a driver that does not find the log has lost something.
    earlier
        Where the log was under the drivers before; empty when this is the first or it began anew.
    ready
        Set once the log is where it should be. Until then only `maker` works on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id, self.started = secrets.token_hex(16), utcnow()
        self.lives, self.paused_s, self.begun = 0, 0.0, False
        self.earlier: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            found = json.loads((folder / PLACE).read_bytes())
            if found["begun"]:
                self.run_id, self.started = found["run_id"], datetime.fromisoformat(found["started"])
                self.lives, self.paused_s, self.begun = found["lives"] + 1, found["paused_s"], True
                self.earlier = found["logs"]
        self.machine: str | None = None
        self.node: str | None = None
        self.log = ""
        self.maker = ""
        self.ready = asyncio.Event()

    @property
    def continued(self) -> bool:
        """Whether a driver before this one got somewhere."""
        return self.lives > 0

    def take(self, hello: Mapping[str, str], node: str, label: str) -> bool:
        """Whether a process there can reach the log."""
        if self.machine is None:
            self.machine, self.node, self.maker = hello["machine"], node, label
            self.log = f"{hello['scratch']}/pilothouse-{self.run_id}" + (f"-{self.lives}" if self.lives else "")
        return hello["machine"] == self.machine

    def settled(self) -> None:
        """The log is in use: what there was of it elsewhere counts no more."""
        self.begun, self.earlier = True, []
        self.remember()
        salvage.forget(self.folder)

    def remember(self) -> None:
        """Write down what another driver has to know."""
        known = {
            "run_id": self.run_id, "started": self.started.isoformat(), "lives": self.lives,
            "paused_s": self.paused_s, "begun": self.begun, "logs": [*self.earlier, self.log],
        }  # fmt: skip
        write_atomic(self.folder / PLACE, json.dumps(known).encode())

    def tidy(self, *, kept: bool) -> None:
        """No driver will come after this one: delete what it would need, and the log, if it is not to be `kept`."""
        (self.folder / PLACE).unlink(missing_ok=True)
        salvage.forget(self.folder)
        if self.log and self.machine == machine() and not kept:
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
                    elsewhere = not self._place.take(message["hello"], process.node, self.label)
                    if first:
                        await asyncio.to_thread(self._place.remember)
                        self._context.event("log placed", path=self._place.log, node=process.node)
                    if elsewhere:
                        break
                    await self._greet()
                elif "placed" in message:
                    self._placed(message["placed"], process.node)
                elif "lost" in message and not self._ending:
                    raise Failed(
                        "the run's log, which lay on its node's own disk, is gone with that node: what was produced "
                        "and processed is lost; launch the run again"
                    )
                elif "sample" in message:
                    if self._place.earlier or not self._place.begun:
                        await asyncio.to_thread(self._place.settled)
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

    async def _greet(self) -> None:
        place = self._place
        make = not place.ready.is_set() and place.maker == self.label
        if not make:
            await place.ready.wait()
        await self._tell({"op": "go", "log": place.log, "make": make, "earlier": place.earlier if make else []})
        self._greeted = True
        for order in list(self._orders):
            await self._tell(order)

    def _placed(self, found: dict[str, Any], node: str) -> None:
        """The log is there; when it was put back, `found` says what it holds."""
        place = self._place
        place.ready.set()
        if not found:
            return
        place.paused_s += found["paused_s"]
        totals: Counter[str] = Counter()
        for label, values in found["counts"].items():
            totals.update(values)
            self._tally.report(label, dict(values))
        self._context.event(
            "log restored", path=place.log, node=node, produced=totals["produced"], consumed=totals["consumed"],
            paused_s=round(found["paused_s"], 3),
        )  # fmt: skip

    async def order(self, order: dict[str, Any]) -> None:
        """Tell the process, and each of its successors, something."""
        self._orders.append(order)
        if self._greeted:
            await self._tell(order)

    async def _tell(self, order: dict[str, Any]) -> None:
        if self.process is not None:
            with contextlib.suppress(PilothouseError, OSError):  # whoever is gone is noticed by its end
                await self.process.send(order)

    async def end(self, grace: float, order: str = "leave") -> None:
        """Have the process stop, for good.

        Parameters
        ----------
        order
            What becomes of the log as far as this process has it: ``"leave"``, ``"remove"``; or nothing, and it is
            saved for another driver.
        """
        self._ending = True
        if order and self._greeted:
            await self._tell({"op": order})
        if self.process is not None:
            await self.process.stop(grace=grace)
        self.finished.set()
