"""Waiting for something that goes on elsewhere: with progress, a time-out, and an end within a moment of Ctrl-C."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from pilothouse.errors import WaitTimeout


class Display(Protocol):
    """Where the progress of a wait is shown."""

    def update(self, text: str, fraction: float | None) -> None:
        """Show `text`, with a bar when a fraction (0 to 1) is known."""

    def close(self) -> None:
        """Take it away."""


class _Terminal:
    def __init__(self) -> None:
        self._width = 0

    def update(self, text: str, fraction: float | None) -> None:
        line = text if fraction is None else f"{text} [{'#' * round(24 * fraction):<24}] {fraction:4.0%}"
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def close(self) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()


class _Silent:
    def update(self, text: str, fraction: float | None) -> None:
        pass

    def close(self) -> None:
        pass


def _display() -> Display:
    if "ipykernel" in sys.modules:  # a notebook: its own progress bar, from the package that knows notebooks
        with contextlib.suppress(ImportError):
            display: Display = importlib.import_module("pilothouse_widgets.progress").Progress()
            return display
    return _Terminal() if sys.stderr.isatty() else _Silent()


@contextlib.contextmanager
def _shown(goes_on: str) -> Iterator[Display]:
    import asyncio  # a process that only asks does without it

    display = _display()
    try:
        yield display
    except (KeyboardInterrupt, asyncio.CancelledError):
        display.close()
        sys.stderr.write(f"Interrupted. {goes_on}\n")
        raise
    finally:
        display.close()


def wait_until(
    done: Callable[[], bool],
    *,
    what: Callable[[], tuple[str, float | None]],
    goes_on: str,
    timeout: float | None = None,
    interval: float = 0.05,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Call `done` until it is true.

    Parameters
    ----------
    done
        Cheap; it may raise to end the wait.
    what
        A line that says how far it is, and the fraction done where it is known.
    goes_on
        What goes on running after an interrupt, and how to stop it.
    timeout
        Seconds; None waits for ever.
    interval, pause
        Between two looks, `pause` is called with the seconds that it may take: `interval` at most.

    Raises
    ------
    WaitTimeout
        `timeout` seconds passed.
    """
    begun = time.monotonic()
    with _shown(goes_on) as display:
        while not done():
            elapsed = time.monotonic() - begun
            if timeout is not None and elapsed > timeout:
                raise WaitTimeout(f"timeout={timeout:g}: {what()[0]} after {elapsed:.0f} s. {goes_on}", field="timeout")
            if elapsed > 0.5:
                display.update(*what())
            seconds = interval if elapsed > 0.5 else min(interval, 0.5)  # then it is time to show something
            pause(seconds if timeout is None else min(seconds, max(timeout - elapsed, 0.0) + 0.01))


async def wait_until_awaited(
    done: Callable[[], bool], *, what: Callable[[], tuple[str, float | None]], goes_on: str, interval: float,
    pause: Callable[[float], None],
) -> None:  # fmt: skip
    """As :func:`wait_until`, for ever and without holding up the event loop; being cancelled is the interrupt."""
    import asyncio

    begun = time.monotonic()
    with _shown(goes_on) as display:
        while not await asyncio.to_thread(done):
            if time.monotonic() - begun > 0.5:
                display.update(*await asyncio.to_thread(what))
            await asyncio.to_thread(pause, interval)
