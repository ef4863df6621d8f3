"""Where a stream's log is, over all drivers and all nodes that have had it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from pilothouse.state import utcnow, write_atomic
from pilothouse.streams import salvage
from pilothouse.streams.workers import machine

#: The file in the run's folder that says where the log is.
PLACE = "place.json"


class Place:
    """The machine and the folder of the run's log: those of the process that first says where it is.

    It is remembered in the run's `folder`, so that another driver can go on.

    Attributes
    ----------
    begun
        The log's messages have been counted: a driver that does not find the log has lost something.
    earlier
        Where the log was before; empty when it has been nowhere else, or what there was counts no more.
    lives, moves
        How many drivers there were before this one, and how often the log moved to another node.
    ready
        Set once the log is where it should be. Until then only `maker` works on it.
    open
        Set while processes may be started to work on it; not while it moves.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id, self.started = secrets.token_hex(16), utcnow()
        self.lives, self.moves, self.paused_s, self.begun = 0, 0, 0.0, False
        self.earlier: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            found = json.loads((folder / PLACE).read_bytes())
            if found["begun"]:
                self.run_id, self.started = found["run_id"], datetime.fromisoformat(found["started"])
                self.lives, self.moves = found["lives"] + 1, found["moves"]
                self.paused_s, self.begun = found["paused_s"], True
                self.earlier = found["logs"]
        self.machine: str | None = None
        self.node: str | None = None
        self.log = ""
        self.maker = ""
        self.ready, self.open = asyncio.Event(), asyncio.Event()
        self.open.set()

    @property
    def continued(self) -> bool:
        """Whether the log was elsewhere before: what it holds is known when it is `ready`."""
        return bool(self.earlier)

    async def at_hand(self) -> None:
        """Wait until the log is not on its way from one place to another."""
        await self.open.wait()
        if self.continued:
            await self.ready.wait()

    def take(self, hello: Mapping[str, str], node: str, label: str) -> bool:
        """Whether a process there can reach the log."""
        if self.machine is None:
            self.machine, self.node, self.maker = hello["machine"], node, label
            number = self.lives + self.moves
            self.log = f"{hello['scratch']}/pilothouse-{self.run_id}" + (f"-{number}" if number else "")
        return hello["machine"] == self.machine

    def settled(self) -> None:
        """The log is in use: what there was of it elsewhere counts no more."""
        self.begun, self.earlier = True, []
        self.remember()
        salvage.forget(self.folder)

    def leave(self) -> None:
        """The log goes from where it is, and no process has it any more; the next one that says hello gets it."""
        if self.ready.is_set():
            self.earlier = [*self.earlier, self.log]
        self.moves += 1
        self.machine, self.node, self.log, self.maker = None, None, "", ""
        self.ready.clear()
        self.remember()

    def remember(self) -> None:
        """Write down what another driver has to know."""
        known = {
            "run_id": self.run_id, "started": self.started.isoformat(), "lives": self.lives, "moves": self.moves,
            "paused_s": self.paused_s, "begun": self.begun, "logs": [*self.earlier, *filter(None, [self.log])],
        }  # fmt: skip
        write_atomic(self.folder / PLACE, json.dumps(known).encode())

    def tidy(self, *, kept: bool) -> None:
        """No driver will come after this one: delete what it would need, and the log, if it is not to be `kept`."""
        (self.folder / PLACE).unlink(missing_ok=True)
        salvage.forget(self.folder)
        if self.log and self.machine == machine() and not kept:
            shutil.rmtree(self.log, ignore_errors=True)
