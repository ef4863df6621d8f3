"""A fake of a process on a node, as its driver sees it (a NodeProcess): it says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any


class FakeProcess:
    """It lives until the test ends it; what it is sent and how it stops is up to a subclass."""

    def __init__(self, label: str, node: str) -> None:
        self.label, self.node, self.pid = label, node, 1
        self._inbox: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> bool:
        return self._code.done()

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self._inbox.get()) is not None:
            yield message

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def say(self, message: dict[str, Any]) -> None:
        self._inbox.put_nowait(message)

    def end(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)
            self._inbox.put_nowait(None)
