"""A background thread with its own asyncio loop, for a library whose objects must not wait for a busy cell."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from pilothouse.errors import Unavailable

T = TypeVar("T")


#: Seconds for native threads to get out of Python before the interpreter ends.
LEAVE_S = 0.1


class Closing(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Let go of everything."""


class LoopThread:
    """Started when first needed; ends with the interpreter.

    Parameters
    ----------
    name
        Of the thread.
    on_start
        Called in the loop before anything else.

    Attributes
    ----------
    owned
        What is closed before the interpreter ends: the threads of a native library must not call into one that is gone.
        Also what nobody holds any more is in here until it is closed: dropping it would not end its connections.
    """

    def __init__(self, name: str, on_start: Callable[[], None]) -> None:
        self.owned: set[Closing] = set()
        self._name = name
        self._on_start = on_start
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `work` on the loop."""
        with self._lock:
            if self._loop is None:
                loop = self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
                thread.start()
                atexit.register(self._end, loop, thread)
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run `work` on the loop and wait for what it comes to; see :func:`settled`."""
        return settled(self.start(work), timeout)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(self._on_start)
        loop.run_forever()

    def _end(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        for thing in list(self.owned):
            with contextlib.suppress(Exception):
                thing.close()
        with contextlib.suppress(Exception):  # what it still waits for must not come when there is nobody to tell
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(2)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(2)
        # Its threads may still be on their way out of the calls that told us so: one that finds the interpreter gone
        # takes the process down (they can't be joined).
        time.sleep(LEAVE_S)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def settled(future: Future[T], timeout: float = 30.0) -> T:
    """What `future` comes to; :class:`Unavailable` after `timeout` seconds. It is given up when the wait is."""
    try:
        return future.result(timeout)
    except TimeoutError:
        future.cancel()
        raise Unavailable(f"the relays did not answer within {timeout:g} s", field="relays") from None
    except BaseException:
        future.cancel()
        raise
