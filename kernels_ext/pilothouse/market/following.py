"""What the market's drivers share: where its files are, and following one node process to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilothouse import state
from pilothouse.errors import Failed
from pilothouse.pilots.child import Channel
from pilothouse.pilots.protocols import NodeProcess, RunContext

#: What a process is told before it is stopped for good. Without it another one goes on with the run.
LEAVE = {"op": "leave"}


def key_file(name: str) -> Path:
    """The file (mode 0600) of the secret key called `name`."""
    return state.home() / "keys" / f"{state.check_name(name, field='key')}.nsec"


def ledgers() -> Path:
    """The folder of the user's ledgers, a file for each job bought and each key that sells."""
    path = state.home() / "market"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def is_told_to_leave(channel: Channel) -> bool:
    """Whether the run's driver said that nobody goes on with the run; asked once the process should stop."""
    while (message := channel.receive(0)) is not None:
        if message == LEAVE:
            return True
    return False


async def follow(
    context: RunContext, process: NodeProcess, heard: Callable[[dict[str, Any]], None], *, grace: float = 1.5
) -> None:
    """Pass each message of `process` to `heard` until it ends; tell it to leave and stop it when the run is to stop.

    Raises
    ------
    Failed
        The process ended with an error, or was killed.
    """

    async def stop() -> None:
        await context.stopping.wait()
        await process.send(LEAVE)
        await process.stop(grace)

    stopper = asyncio.create_task(stop())
    error = ""
    try:
        async for message in process.messages():
            if "error" in message:
                error = str(message["error"]).removeprefix("Failed: ")
            else:
                heard(message)
        code = await process.wait()
    finally:
        stopper.cancel()
    if code and not context.stopping.is_set():
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        raise Failed(error or f"the process {process.label} (pid {process.pid}) {how}")
