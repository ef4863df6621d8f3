"""What the market's drivers share: where its files are, and following one node process to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilothouse import state
from pilothouse.errors import Failed
from pilothouse.pilots.protocols import NodeProcess, RunContext


def key_file(name: str) -> Path:
    """The file (mode 0600) of the secret key called `name`."""
    return state.home() / "keys" / f"{state.check_name(name, field='key')}.nsec"


def ledgers() -> Path:
    """The folder of the user's ledgers, a file for each job bought and each key that sells."""
    path = state.home() / "market"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


async def follow(
    context: RunContext, process: NodeProcess, heard: Callable[[dict[str, Any]], None], *, grace: float = 1.5
) -> None:
    """Pass each message of `process` to `heard` until it ends; stop it when the run is to stop.

    Raises
    ------
    Failed
        The process ended with an error, or was killed.
    """

    async def stop() -> None:
        await context.stopping.wait()
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
