"""The supervisor's end of :mod:`.control`: it listens, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.pilots.control import LENGTHS, context, pack

_LIMIT = 64 * 2**20

Handler = Callable[..., Awaitable[tuple[Any, bytes]]]


def _answering(handlers: dict[str, Handler], token: str = "") -> Callable[..., Awaitable[None]]:
    """Answer the requests of one connection with `handlers`; those without the `token` get nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head_size, body_size = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
                if head_size + body_size > _LIMIT:
                    break
                request = json.loads(await reader.readexactly(head_size))
                await reader.readexactly(body_size)
                if not hmac.compare_digest(str(request.pop("token", "")).encode(), token.encode()):
                    break
                op = request.pop("op", None)
                try:
                    if op not in handlers:
                        raise PilothouseError(f"the supervisor knows no {op!r}: it may be of an older version")
                    result, body = await handlers[op](**request)
                    writer.write(pack({"ok": result}, body))
                except PilothouseError as error:
                    writer.write(pack({"error": error.to_dict()}))
                except Exception as error:  # the client must hear of it, whatever it is
                    writer.write(pack({"error": {"code": "error", "message": f"{type(error).__name__}: {error}"}}))
                await writer.drain()
        writer.close()

    return answer


async def serve(path: Path, handlers: dict[str, Handler]) -> asyncio.AbstractServer:
    """Answer requests on `path` with `handlers`: op -> coroutine function of the request's other fields."""
    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(_answering(handlers), path)
    finally:
        os.umask(mask)


async def serve_tls(
    host: str, tls: dict[str, str], token: str, handlers: dict[str, Handler]
) -> tuple[asyncio.Server, str]:
    """Answer requests from other hosts; the server and its address ``tls://host:port``."""
    secure = context(ssl.PROTOCOL_TLS_SERVER, tls)
    server = await asyncio.start_server(_answering(handlers, token), host, 0, ssl=secure)
    return server, f"tls://{host}:{server.sockets[0].getsockname()[1]}"
