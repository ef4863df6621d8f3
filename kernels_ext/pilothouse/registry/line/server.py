"""The supervisor's end of :mod:`.control`: it listens, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.registry.line.client import LENGTHS, context, pack

_LIMIT = 64 * 2**20

#: What it returns is answered, JSON and a binary part; a socket is joined with the line, which then carries that alone.
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
                    if isinstance(result, socket.socket):
                        writer.write(pack({"ok": None}))
                        await _join(reader, writer, result)
                        break
                    writer.write(pack({"ok": result}, body))
                except PilothouseError as error:
                    writer.write(pack({"error": error.to_dict()}))
                except Exception as error:  # noqa: BLE001 - the client must hear of it, whatever it is
                    writer.write(pack({"error": {"code": "error", "message": f"{type(error).__name__}: {error}"}}))
                await writer.drain()
        writer.close()

    return answer


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: socket.socket) -> None:
    """Carry what comes to the other side, both ways, until one of them is closed."""
    there, back = await asyncio.open_connection(sock=other)
    ways = [asyncio.create_task(_carry(reader, back)), asyncio.create_task(_carry(there, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        back.close()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()


async def forward(path: Path, connect: Callable[[], Awaitable[socket.socket]]) -> asyncio.AbstractServer:
    """Join each connection to the Unix socket `path` (mode 0600) with a new one that `connect` opens."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _join(reader, writer, await connect())
        finally:
            writer.close()

    return await _private(path, accept)


async def serve(path: Path, handlers: dict[str, Handler]) -> asyncio.AbstractServer:
    """Answer requests on `path` with `handlers`: op -> coroutine function of the request's other fields."""
    return await _private(path, _answering(handlers))


async def _private(path: Path, accept: Callable[..., Awaitable[None]]) -> asyncio.AbstractServer:
    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(accept, path)
    finally:
        os.umask(mask)


async def serve_tls(
    host: str, tls: dict[str, str], token: str, handlers: dict[str, Handler]
) -> tuple[asyncio.Server, str]:
    """Answer requests from other hosts; the server and its address ``tls://host:port``."""
    secure = context(ssl.PROTOCOL_TLS_SERVER, tls)
    server = await asyncio.start_server(_answering(handlers, token), host, 0, ssl=secure)
    return server, f"tls://{host}:{server.sockets[0].getsockname()[1]}"
