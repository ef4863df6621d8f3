"""Waiting in tests: for a condition, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pilothouse.errors import PilothouseError

T = TypeVar("T")


def eventually(what: Callable[[], T], why: str = "it", within: float = 60.0) -> T:
    """What `what` returns, once that is true; an error of `what` counts as not yet.

    Parameters
    ----------
    why
        What is waited for, in the words of the failure.
    within
        Seconds; generous, since only a test that fails has to wait for so long.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            last: object = None
            if found := what():
                return found
            last = found
        except (AssertionError, LookupError, OSError, PilothouseError) as error:
            last = error
        assert time.monotonic() < deadline, f"{why} did not come about within {within:g} s: {last!r}"
        time.sleep(0.03)
