"""Keeping a process of a run alive while nodes come and go: the one way for streams, tasks, analyses and the market.

A kept process lives on some node. Before that node goes in a planned way, the process hands over what its kind has to,
and ends. It counts as dead only when it is: when its node saw its end, or the batch system that of the node's job. Then
it is started again elsewhere, as soon as there is a node for it; less and less quickly, and not without limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.errors import Failed, PilothouseError, Unavailable
from pilothouse.runs.channel import DONE
from pilothouse.runs.protocols import NodeProcess, RunContext

#: How many lives in a row may be shorter than :data:`SETTLED_S` seconds and be followed by another.
RESTARTS = 3
SETTLED_S = 60.0
#: The most seconds before a process that dies again and again is started once more.
LONGEST_PAUSE_S = 30.0
#: Seconds between two looks for a node when there is none.
LOOK_S = 0.1
#: Of the seconds that a node has left, those in which a process that finishes its work is asked to end at last.
END_S = 3.0
#: Seconds in which what a stopped process said last is read.
LAST_WORDS_S = 1.0


class Kept:
    """One process of a run, over all its lives.

    Its kind says, by overriding, what it is started with and where, what to make of its messages, and what it hands
    over; the run awaits :meth:`live`.

    Attributes
    ----------
    finishes
        Whether the process may finish what it is at when its node is about to go: it ends by itself once it is told
        (``channel.leaving``), and is asked to end (``channel.stopping``) in time. Others are asked at once.
    stays
        Whether it belongs to its node: it has one life, and whoever needs another process makes one.
    process
        The latest one.
    starts, deaths
        How often it was started, and how often it died without having been told to go.
    done
        It has said that its work is done.
    told
        The latest one was told that its node is about to go.
    """

    finishes = False
    stays = False

    def __init__(self, context: RunContext, module: str, label: str) -> None:
        self.context, self.module, self.label = context, module, label
        self.process: NodeProcess | None = None
        self.starts, self.deaths = 0, 0
        self.done, self.told = False, False
        self._ending = False
        self._starting = asyncio.Lock()

    # ------------------------------------------------------------------ what a kind says

    async def ready(self) -> None:
        """Return when the process may be started."""

    def config(self) -> Mapping[str, Any]:
        """What it is started with."""
        return {}

    def where(self) -> str | None:
        """The node to start it on; None for the least busy one."""
        return None

    async def hear(self, message: dict[str, Any]) -> bool:  # noqa: ARG002 - for kinds that listen
        """Take in a message; whether it says that the work is done."""
        return False

    async def lost(self, process: NodeProcess) -> None:
        """Called when one has died, before the next is started."""

    def failure(self, error: str) -> str:
        """The reason of a failure, from what the process said of it."""
        return error

    # ------------------------------------------------------------------ its lives

    async def live(self) -> None:
        """Keep it until its work is done, or it is stopped.

        Raises
        ------
        Failed
            It reports an error, or died too often in a row; one that `stays`: when it died.
        Unavailable
            It `stays`, and its node is not there any more.
        """
        in_a_row = 0
        while (process := await self._started()) is not None:
            begun = time.monotonic()
            error = await self._follow(process)
            code = await process.wait()
            if error and not self._ending:
                raise Failed(self.failure(error))
            if self.done or self._ending or (self.stays and self.told):
                return
            if self.told:
                continue
            self.deaths += 1
            in_a_row = in_a_row + 1 if time.monotonic() - begun < SETTLED_S else 1
            how = f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"
            if self.stays:
                raise Failed(how)
            self.context.event("process died", label=self.label, code=code, restart=in_a_row)
            if in_a_row > RESTARTS:
                raise Failed(
                    f"{self.label} died {in_a_row} times in a row, the last time on {process.node}, "
                    f"pid {process.pid}: {how}"
                )
            await self.lost(process)
            if in_a_row > 1:  # the first time it is somebody else's fault, most likely
                await asyncio.sleep(min(2.0 ** (in_a_row - 2), LONGEST_PAUSE_S))

    async def _started(self) -> NodeProcess | None:
        """The process, as soon as there is a node for it; None when it is not wanted any more."""
        while not self._is_over():
            await self.ready()
            async with self._starting:
                if self._is_over():
                    return None
                try:
                    process = await self.context.spawn(self.module, self.config(), label=self.label, node=self.where())
                except Unavailable:  # its node is on its way out, or no node is there at the moment
                    if self.stays:
                        raise
                else:
                    self.process, self.told = process, False
                    self.starts += 1
                    return process
            await asyncio.sleep(LOOK_S)
        return None

    def _is_over(self) -> bool:
        return self.done or self._ending

    async def _follow(self, process: NodeProcess) -> str:
        """Take in what it says; what it says of its failure."""
        error = ""
        async for message in process.messages():
            if message.keys() == {"error"}:
                error = str(message["error"]).removeprefix("Failed: ")
            elif await self.hear(message):
                self.done = True
        return error

    async def tell(self, message: Mapping[str, Any]) -> None:
        """Send it a message; one that is gone gets none, and is noticed by its end."""
        if self.process is not None:
            with contextlib.suppress(PilothouseError, OSError):
                await self.process.send(message)

    # ------------------------------------------------------------------ its ends

    async def leave(self, node: str, seconds: float) -> None:
        """Have it leave `node`, which goes in so many seconds, if it is there; for :meth:`RunContext.on_leaving`."""
        async with self._starting:  # one that is just being started must not be forgotten
            process = self.process
        if process is not None and process.node == node:
            await self.move(seconds)

    async def move(self, seconds: float) -> None:
        """Have it hand over and end within so many seconds; :meth:`live` starts it again elsewhere."""
        process, deadline = self.process, time.monotonic() + seconds
        if process is None or process.ended:
            return
        self.told = True
        self.context.event("process leaves", label=self.label, node=process.node)
        await self.tell({"op": "leaving", "seconds": seconds})
        if self.finishes:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(seconds - END_S, 0.0)):
                    await process.wait()
        await process.stop(max(deadline - time.monotonic(), END_S / 2))
        await process.wait()

    async def stop(self, grace: float) -> None:
        """End it for good: it is asked, and killed after `grace` seconds."""
        self._ending = True
        async with self._starting:
            process = self.process
        if process is not None:
            await process.stop(grace)


async def keep(
    context: RunContext,
    module: str,
    config: Mapping[str, Any],
    heard: Callable[[dict[str, Any]], None],
    *,
    label: str,
    grace: float = 1.5,
    farewell: Mapping[str, Any] | None = None,
) -> bool:
    """Have `module` work in a process on some node until it says that it is done, or the run is stopped.

    What it was at when its process ended is up to the module: the next process is started as the first one was, and
    goes on from what is in the run's folder.

    Parameters
    ----------
    heard
        Called with each other message.
    grace
        Seconds that it has to end when the run is stopped.
    farewell
        What it is told before that; without it, another process goes on.

    Returns
    -------
    bool
        Whether it is done.

    Raises
    ------
    Failed
        It reports an error, or died too often.
    """
    kept = _Followed(context, module, label, config, heard)
    context.on_leaving(kept.leave)

    async def stop() -> None:
        await context.stopping.wait()
        if farewell is not None:
            await kept.tell(farewell)
        await kept.stop(grace)

    living, stopping = asyncio.create_task(kept.live()), asyncio.create_task(stop())
    try:
        await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({living}, timeout=LAST_WORDS_S)  # unless it waits for a node, or its node is not heard of
        if living.done():
            living.result()
    finally:
        for task in (living, stopping):
            task.cancel()
        await asyncio.gather(living, stopping, return_exceptions=True)
        await kept.stop(grace)
    return kept.done


class _Followed(Kept):
    """A process whose messages go to a function."""

    def __init__(
        self,
        context: RunContext,
        module: str,
        label: str,
        config: Mapping[str, Any],
        heard: Callable[[dict[str, Any]], None],
    ) -> None:
        super().__init__(context, module, label)
        self._config, self._heard = config, heard

    def config(self) -> Mapping[str, Any]:
        return self._config

    async def hear(self, message: dict[str, Any]) -> bool:
        if message != DONE:
            self._heard(message)
        return message == DONE
