"""The line between a supervisor and its clients, one request at a time.

On the supervisor's host that is a Unix socket of mode 0600; from other hosts TLS with the pilot's own certificate on
both sides, and a token from a file of mode 0600 in each request.

A message is two lengths (uint32, big-endian), a JSON object and a binary part. A request is ``{"op", ...}``,
an answer ``{"ok": result}`` or ``{"error": {code, message, field}}``; telemetry travels in the binary part.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import socket
import ssl
import struct
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError, Unavailable
from pilothouse.pilots.records import PILOTS, PilotRecord
from pilothouse.pilots.tls import tls_files

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


def unlink(path: str) -> None:
    """Remove a socket that nobody answers on any more."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def _pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return _LENGTHS.pack(len(text), len(body)) + text + body


def _answering(handlers: dict[str, Handler], token: str = "") -> Callable[..., Awaitable[None]]:
    """Answer the requests of one connection with `handlers`; those without the `token` get nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head_size, body_size = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
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
                    writer.write(_pack({"ok": result}, body))
                except PilothouseError as error:
                    writer.write(_pack({"error": error.to_dict()}))
                except Exception as error:  # the client must hear of it, whatever it is
                    writer.write(_pack({"error": {"code": "error", "message": f"{type(error).__name__}: {error}"}}))
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
    context = _context(ssl.PROTOCOL_TLS_SERVER, tls)
    server = await asyncio.start_server(_answering(handlers, token), host, 0, ssl=context)
    return server, f"tls://{host}:{server.sockets[0].getsockname()[1]}"


def _context(protocol: int, tls: dict[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False  # the certificate is the pilot's own: whoever has its key is the user
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(tls["tls_ca"])
    context.load_cert_chain(tls["tls_cert"], tls["tls_key"])
    return context


def call(record: PilotRecord, op: str, timeout: float = 30.0, **arguments: Any) -> tuple[Any, bytes]:
    """Ask the supervisor of a pilot.

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
        line, token = _connect(record, timeout)
        with line:
            line.sendall(_pack({"op": op, **token, **arguments}))
            head_size, body_size = _LENGTHS.unpack(_read(line, _LENGTHS.size))
            head = json.loads(_read(line, head_size))
            body = _read(line, body_size)
    except OSError as error:
        raise Unavailable(f"the supervisor can't be reached ({error.strerror or error}): {op} was not done") from None
    if "error" in head:
        raise PilothouseError.from_dict(head["error"])
    return head["ok"], body


def answers(record: PilotRecord, timeout: float = 3.0) -> bool:
    """Whether the supervisor of `record` can be reached."""
    try:
        _connect(record, timeout)[0].close()
    except OSError:
        return False
    return True


def _connect(record: PilotRecord, timeout: float) -> tuple[socket.socket, dict[str, str]]:
    here = record.supervisor is not None and record.supervisor.host == socket.gethostname()
    if record.socket and (here or not record.control):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(timeout)
        try:
            line.connect(record.socket)
        except OSError:
            line.close()
            raise
        return line, {}
    if not record.control:
        raise ConnectionRefusedError("it has no address yet")
    host, _, port = record.control.removeprefix("tls://").rpartition(":")
    folder = PILOTS.folder(record.name)
    token = (folder / "token").read_text()
    plain = socket.create_connection((host, int(port)), timeout)
    try:
        context = _context(ssl.PROTOCOL_TLS_CLIENT, tls_files(folder))
        return context.wrap_socket(plain), {"token": token}
    except OSError:
        plain.close()
        raise


def _read(line: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = line.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise ConnectionResetError("the connection was closed")
        parts += part
    return bytes(parts)
