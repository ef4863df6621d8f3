"""The line between a supervisor and its clients, one request at a time; the supervisor's end is in :mod:`.answering`.

On the supervisor's host that is a Unix socket of mode 0600; from other hosts TLS with the pilot's own certificate on
both sides, and a token from a file of mode 0600 in each request.

A message is two lengths (uint32, big-endian), a JSON object and a binary part. A request is ``{"op", ...}``,
an answer ``{"ok": result}`` or ``{"error": {code, message, field}}``; telemetry travels in the binary part.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.errors import PilothouseError, Unavailable
from pilothouse.registry.folders import CERTIFICATE, TOKEN
from pilothouse.registry.line.tls import clock_trouble, tls_files
from pilothouse.registry.records import PILOTS, PilotRecord

if TYPE_CHECKING:
    import ssl

LENGTHS = struct.Struct(">II")


def runtime_folder() -> Path:
    """A private folder of this host for sockets: their paths may have 107 bytes at most, home folders' may not."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(base, "pilothouse") if base and os.access(base, os.W_OK) else None
    if path is None or len(str(path)) > 36:  # the rest are a pilot's name and a number
        path = Path(tempfile.gettempdir(), f"pilothouse-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise Unavailable(f"the folder {path} belongs to another user; set XDG_RUNTIME_DIR to a private folder")
    path.chmod(0o700)
    return path


def pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    """A message."""
    text = json.dumps(head).encode()
    return LENGTHS.pack(len(text), len(body)) + text + body


def context(protocol: int, tls: dict[str, str]) -> ssl.SSLContext:
    """TLS with the pilot's own certificate on both sides."""
    import ssl  # most are asked over a Unix socket: a fresh process attaches sooner without it

    made = ssl.SSLContext(protocol)
    made.check_hostname = False  # the certificate is the pilot's own: whoever has its key is the user
    made.verify_mode = ssl.CERT_REQUIRED
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(tls["tls_ca"])
    made.load_cert_chain(tls["tls_cert"], tls["tls_key"])
    return made


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
    line, result, body = _ask(record, op, timeout, arguments)
    line.close()
    return result, body


def connect(record: PilotRecord, op: str, timeout: float = 30.0) -> socket.socket:
    """As :func:`call`, for an `op` that opens a connection: the line, which carries that from now on.

    Returns
    -------
    socket.socket
        Unix, or :class:`ssl.SSLSocket`; it blocks, for `timeout` seconds at most.
    """
    return _ask(record, op, timeout, {})[0]


def _ask(record: PilotRecord, op: str, timeout: float, arguments: dict[str, Any]) -> tuple[socket.socket, Any, bytes]:
    """The line on which a request was answered, and the answer."""
    try:
        line, token = _connect(record, timeout)
        try:
            line.sendall(pack({"op": op, **token, **arguments}))
            head_size, body_size = LENGTHS.unpack(_read(line, LENGTHS.size))
            head = json.loads(_read(line, head_size))
            body = _read(line, body_size)
            if "error" in head:
                raise PilothouseError.from_dict(head["error"])
        except BaseException:
            line.close()
            raise
    except OSError as error:
        why = _of_tls(record, error) or error.strerror or error
        raise Unavailable(f"the supervisor can't be reached ({why}): {op} was not done") from None
    return line, head["ok"], body


def _of_tls(record: PilotRecord, error: OSError) -> str:
    """What is behind an error of TLS, where that is known."""
    import ssl

    return clock_trouble(PILOTS.folder(record.name) / CERTIFICATE) if isinstance(error, ssl.SSLError) else ""


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
    token = (folder / TOKEN).read_text()
    plain = socket.create_connection((host, int(port)), timeout)
    try:
        import ssl

        wrapped = context(ssl.PROTOCOL_TLS_CLIENT, tls_files(folder)).wrap_socket(plain)
        return wrapped, {"token": token}
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
