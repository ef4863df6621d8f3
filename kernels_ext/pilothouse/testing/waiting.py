"""Waiting in tests: for a condition, with a limit that a loaded machine does not break."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pilothouse.errors import PilothouseError

T = TypeVar("T")

#: Between two looks: first, and at most, for what takes long is looked at less and less often.
_PAUSE_S, _LONGEST_PAUSE_S, _LONGER = 0.02, 0.25, 1.1
#: Looks that take long themselves leave the machine to what is waited for: so many times as long, to a limit.
_TIMES, _MOST_S = 2.0, 2.0
_SPIN_S = 0.2
_NOT_YET = (AssertionError, LookupError, OSError, PilothouseError)


def slowness() -> float:
    """How many times longer computing takes now than on an idle machine; 1.0 on an idle one.

    A test that asserts how long something takes multiplies its bound by this, measured right after.
    """
    begun, used = time.monotonic(), time.thread_time()
    while time.thread_time() - used < _SPIN_S:
        pass
    return max((time.monotonic() - begun) / _SPIN_S, 1.0)


class _Limit:
    """The end of a wait: later where the machine is found to be slow."""

    def __init__(self, why: str, within: float) -> None:
        self.why, self.within = why, within
        self._begun, self._factor = time.monotonic(), 1.0
        self.last: object = None

    def check(self) -> None:
        if self._passed():
            self._factor = max(self._factor, slowness())
            assert not self._passed(), f"{self.why} did not come about within {self.within:g} s: {self.last!r}"

    def _passed(self) -> bool:
        return time.monotonic() > self._begun + self.within * self._factor


def _longer(pause: float) -> float:
    return max(pause, min(pause * _LONGER, _LONGEST_PAUSE_S))


def _rest(pause: float, begun: float) -> float:
    """Seconds to the next look, after one that has `begun`."""
    return max(pause, min(_TIMES * (time.monotonic() - begun), _MOST_S))


def eventually(what: Callable[[], T], why: str = "it", within: float = 60.0) -> T:
    """What `what` returns, once that is true; an error of `what` counts as not yet.

    Parameters
    ----------
    why
        What is waited for, in the words of the failure.
    within
        Seconds of an idle machine, see :func:`slowness`; generous, since only a test that fails waits for so long.
    """
    limit, pause = _Limit(why, within), _PAUSE_S
    while True:
        begun = time.monotonic()
        try:
            if found := what():
                return found
            limit.last = found
        except _NOT_YET as error:
            limit.last = error
        rest = _rest(pause, begun)
        limit.check()
        time.sleep(rest)
        pause = _longer(pause)


async def eventually_async(
    what: Callable[[], T | Awaitable[T]], why: str = "it", within: float = 60.0, pause: float = _PAUSE_S
) -> T:
    """:func:`eventually` in a coroutine, for a function or a coroutine function, asked again after `pause` seconds."""
    limit = _Limit(why, within)
    while True:
        begun = time.monotonic()
        try:
            found = what()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            limit.last = found
        except _NOT_YET as error:
            limit.last = error
        rest = _rest(pause, begun)
        limit.check()
        await asyncio.sleep(rest)
        pause = _longer(pause)
