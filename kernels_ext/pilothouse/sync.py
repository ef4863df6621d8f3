"""Coroutines from synchronous code, also where a loop is running already, as in a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def blocking(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, whether or not this thread has a running loop (a notebook's has)."""
    result: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asked
            errors.append(error)

    thread = Thread(target=run, name="pilothouse-batch")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]
