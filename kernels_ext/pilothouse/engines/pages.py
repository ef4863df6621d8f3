"""The way to a framework's own pages, which the supervisor has for those whom it has let in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pilothouse.engines.protocols import Engine
from pilothouse.errors import Unavailable

#: Seconds for a connection.
PATIENCE_S = 10.0


async def connected(engine: Engine, members: Sequence[Mapping[str, Any]]) -> socket.socket:
    """A new connection to the pages of a service that these members serve.

    Raises
    ------
    Unavailable
        There are no pages, or they don't answer.
    """
    where = urlsplit(engine.pages(members))
    if where.hostname is None or where.port is None:
        raise Unavailable(f"{engine.title} has no pages at the moment")
    try:
        return await asyncio.to_thread(socket.create_connection, (where.hostname, where.port), PATIENCE_S)
    except OSError as error:
        raise Unavailable(f"the pages of {engine.title} do not answer: {error.strerror or error}") from None
