"""News of a pilot, for those who wait for it: a node came, went, or takes work again; a run has ended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

_EXTENSION = "pilothouse-news"


class News:
    """Wakes whoever waits when something of a pilot has changed. What nobody tells has to be looked for now and then.

    Attributes
    ----------
    live
        Names of the pilot's runs that go on.
    """

    def __init__(self) -> None:
        self.live: set[str] = set()
        self._next = asyncio.Event()

    @classmethod
    def of(cls, scheduler: Any) -> News:
        """Those of the pilot with this Dask scheduler."""
        found: News = scheduler.extensions.setdefault(_EXTENSION, cls())
        return found

    def tell(self) -> None:
        """Something has changed."""
        told, self._next = self._next, asyncio.Event()
        told.set()

    async def heard(self, within: float) -> None:
        """Return when something has changed, `within` seconds at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._next.wait()


class Telling:
    """A Dask scheduler that tells of its workers."""

    def handle_worker_status_change(self, *arguments: Any, **options: Any) -> None:
        """One has come, pauses, or goes on."""
        super().handle_worker_status_change(*arguments, **options)  # type: ignore[misc]
        News.of(self).tell()

    async def remove_worker(self, *arguments: Any, **options: Any) -> Any:
        """One has gone."""
        done = await super().remove_worker(*arguments, **options)  # type: ignore[misc]
        News.of(self).tell()
        return done
