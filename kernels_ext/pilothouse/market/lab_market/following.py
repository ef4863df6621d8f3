"""What the market's drivers share: where its files are, and following a node process to its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pilothouse import state
from pilothouse.errors import Failed, PilothouseError, Unavailable
from pilothouse.runs.channel import Channel
from pilothouse.runs.protocols import NodeProcess, RunContext

#: What a process is told before it is stopped for good. Without it another one goes on with the run.
LEAVE = {"op": "leave"}
#: What a process says whose work is done; one that ends without it died with its node.
DONE = {"done": True}
#: How many processes in a row may die within :data:`SETTLED_S` seconds of their start and be followed by another.
RESTARTS = 3
SETTLED_S = 60.0


def keys_folder() -> Path:
    """The folder (mode 0700) of the user's secret keys, a file ``NAME.nsec`` each."""
    return state.home() / "keys"


def key_file(name: str) -> Path:
    """The file (mode 0600) of the secret key called `name`."""
    return keys_folder() / f"{state.check_name(name, field='key')}.nsec"


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
    context: RunContext,
    module: str,
    config: Mapping[str, Any],
    heard: Callable[[dict[str, Any]], None],
    *,
    label: str,
    grace: float = 1.5,
) -> None:
    """Have `module` work in a node process, and pass each of its messages to `heard`, until it says that it is done.

    When it was killed, or its node has gone, another one goes on from what it had committed. It is told to leave and
    stopped when the run is to stop.

    Raises
    ------
    Failed
        The process ended with an error, or died too often.
    """
    deaths = 0
    while not context.stopping.is_set():
        begun = time.monotonic()
        process = await _started(context, module, config, label)
        if process is None or await _followed(context, process, heard, grace):
            return
        code = await process.wait()
        deaths = deaths + 1 if time.monotonic() - begun < SETTLED_S else 1
        if deaths > RESTARTS:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            raise Failed(f"the process {label} (pid {process.pid}) {how}, the last of {deaths} in a row")
        context.event("process died", label=label, code=code, restart=deaths)


async def _started(context: RunContext, module: str, config: Mapping[str, Any], label: str) -> NodeProcess | None:
    """The process, as soon as there is a node for it; None when the run is to stop."""
    while not context.stopping.is_set():
        if context.nodes:
            with contextlib.suppress(Unavailable):  # the node is on its way out
                return await context.spawn(module, config, label=label)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await context.stopping.wait()
    return None


async def _followed(
    context: RunContext, process: NodeProcess, heard: Callable[[dict[str, Any]], None], grace: float
) -> bool:
    """One process, to its end; whether the run has ended with it."""

    async def stop() -> None:
        await context.stopping.wait()
        with contextlib.suppress(PilothouseError):  # its node has gone
            await process.send(LEAVE)
        await process.stop(grace)

    stopper = asyncio.create_task(stop())
    error, is_done = "", False
    try:
        async for message in process.messages():
            if "error" in message:
                error = str(message["error"]).removeprefix("Failed: ")
            elif message == DONE:
                is_done = True
            else:
                heard(message)
        await process.wait()
    finally:
        stopper.cancel()
    if error and not context.stopping.is_set():
        raise Failed(error)
    return is_done or context.stopping.is_set()
