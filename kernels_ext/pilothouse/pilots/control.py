"""The line between a supervisor and its clients: a Unix socket of mode 0600, one request at a time.

A message is two lengths (uint32, big-endian), a JSON object and a binary part. A request is ``{"op", ...}``,
an answer ``{"ok": result}`` or ``{"error": {code, message, field}}``; telemetry travels in the binary part.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError, Unavailable

_LENGTHS = struct.Struct(">II")
_LIMIT = 64 * 2**20

Handler = Callable[..., Awaitable[tuple[Any, bytes]]]


def runtime_folder() -> Path:
    """A private folder of this host for sockets: their paths may have 107 bytes at most, home folders' may not."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(base, "pilothouse") if base and os.access(base, os.W_OK) else None
    if path is None or len(str(path)) > 60:
        path = Path(tempfile.gettempdir(), f"pilothouse-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise Unavailable(f"the folder {path} belongs to another user; set XDG_RUNTIME_DIR to a private folder")
    path.chmod(0o700)
    return path


def _pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return _LENGTHS.pack(len(text), len(body)) + text + body


async def serve(path: Path, handlers: dict[str, Handler]) -> asyncio.AbstractServer:
    """Answer requests on `path` with `handlers`: op -> coroutine function of the request's other fields."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head_size, body_size = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
                if head_size + body_size > _LIMIT:
                    break
                request = json.loads(await reader.readexactly(head_size))
                await reader.readexactly(body_size)
                op = request.pop("op", None)
                try:
                    if op not in handlers:
                        raise PilothouseError(f"the supervisor knows no {op!r}: it may be of an older version")
                    result, body = await handlers[op](**request)
                    writer.write(_pack({"ok": result}, body))
                except PilothouseError as error:
                    writer.write(_pack({"error": error.to_dict()}))
                except Exception as error:  # the client must hear of it, whatever it is
                    writer.write(_pack({"error": {"code": "error", "message": f"{type(error).__name__}: {error}"}}))
                await writer.drain()
        writer.close()

    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(answer, path)
    finally:
        os.umask(mask)


def call(path: str, op: str, timeout: float = 30.0, **arguments: Any) -> tuple[Any, bytes]:
    """Ask the supervisor that listens on `path`.

    Returns
    -------
    tuple
        Its answer (JSON) and the binary part.

    Raises
    ------
    Unavailable
        Nobody listens there, or no answer came within `timeout` seconds.
    PilothouseError
        What the supervisor answered.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(timeout)
            line.connect(path)
            line.sendall(_pack({"op": op, **arguments}))
            head_size, body_size = _LENGTHS.unpack(_read(line, _LENGTHS.size))
            head = json.loads(_read(line, head_size))
            body = _read(line, body_size)
    except OSError as error:
        raise Unavailable(f"the supervisor can't be reached ({error.strerror or error}): {op} was not done") from None
    if "error" in head:
        raise PilothouseError.from_dict(head["error"])
    return head["ok"], body


def _read(line: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = line.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise ConnectionResetError("the connection was closed")
        parts += part
    return bytes(parts)
