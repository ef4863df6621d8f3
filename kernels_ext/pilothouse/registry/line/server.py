"""The supervisor's end of :mod:`.control`: it listens, and answers."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.registry.line.client import LENGTHS, context, pack

_LIMIT = 64 * 2**20

#: So many of the latest answers to changes are kept for who asks again.
KEPT = 256

#: What it returns is answered, JSON and a binary part; a socket is joined with the line, which then carries that alone.
Handler = Callable[..., Awaitable[tuple[Any, bytes]]]


class Answers:
    """The answers to requests, whichever way they come.

    Parameters
    ----------
    questions, changes
        op -> coroutine function of the request's other fields. A change is made once: who has not heard the answer asks
        again with the same number, and gets that one.
    """

    def __init__(self, questions: Mapping[str, Handler], changes: Mapping[str, Handler]) -> None:
        self._questions, self._changes = questions, changes
        self._made: dict[str, asyncio.Future[tuple[Any, bytes]]] = {}

    async def to(self, op: object, number: str, fields: Mapping[str, Any]) -> tuple[Any, bytes]:
        """The answer to one request."""
        if op in self._questions:
            return await self._questions[str(op)](**fields)
        if op not in self._changes:
            raise PilothouseError(f"the supervisor knows no {op!r}: it may be of an older version")
        if number not in self._made:
            made = asyncio.ensure_future(self._changes[str(op)](**fields))
            if not number:  # of a client that does not ask again
                return await made
            self._made[number] = made
            while len(self._made) > KEPT:
                del self._made[next(iter(self._made))]
        return await asyncio.shield(self._made[number])


def _answering(answers: Answers, token: str = "") -> Callable[..., Awaitable[None]]:
    """Answer the requests of one connection; those without the `token` get nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head_size, body_size = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
                if head_size + body_size > _LIMIT:
                    break
                request = json.loads(await reader.readexactly(head_size))
                number = (await reader.readexactly(body_size)).decode(errors="replace")
                if not hmac.compare_digest(str(request.pop("token", "")).encode(), token.encode()):
                    break
                op = request.pop("op", None)
                try:
                    result, body = await answers.to(op, number, request)
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


async def serve(path: Path, answers: Answers) -> asyncio.AbstractServer:
    """Answer requests on the Unix socket `path` (mode 0600)."""
    return await _private(path, _answering(answers))


async def _private(path: Path, accept: Callable[..., Awaitable[None]]) -> asyncio.AbstractServer:
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - a local one; of a process that had this one's number
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # until the next line: other tasks of this process make files, too
    try:
        line.bind(str(path))
    except OSError:
        line.close()
        raise
    finally:
        os.umask(mask)
    return await asyncio.start_unix_server(accept, sock=line)


async def serve_tls(host: str, tls: dict[str, str], token: str, answers: Answers) -> tuple[asyncio.Server, str]:
    """Answer requests from other hosts; the server and its address ``tls://host:port``."""
    secure = context(ssl.PROTOCOL_TLS_SERVER, tls)
    server = await asyncio.start_server(_answering(answers, token), host, 0, ssl=secure)
    return server, f"tls://{host}:{server.sockets[0].getsockname()[1]}"
