"""The line between a supervisor and its clients, one request at a time; the supervisor's end is in :mod:`.answering`.

On the supervisor's host that is a Unix socket of mode 0600; from other hosts TLS with the pilot's own certificate on
both sides, and a token from a file of mode 0600 in each request.

A message is two lengths (uint32, big-endian), a JSON object and a binary part. A request is ``{"op", ...}``,
an answer ``{"ok": result}`` or ``{"error": {code, message, field}}``; telemetry travels in the binary part. That of a
request is its number: one that is asked again with the same number is not done again, and gets the same answer.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.errors import PilothouseError, Unavailable
from pilothouse.registry.folders import CERTIFICATE, TOKEN
from pilothouse.registry.line.tls import clock_trouble, tls_files
from pilothouse.registry.records import PILOTS, PilotRecord

if TYPE_CHECKING:
    import ssl

LENGTHS = struct.Struct(">II")
#: The most bytes of a Unix socket's path.
LONGEST = 107
#: Seconds for a second try when no answer has come.
AGAIN_S = 5.0
#: Seconds after a request without an answer for which the same one is taken for a repetition of it.
REPEAT_S = 60.0
#: When the latest of them were asked, and their numbers.
_unanswered: dict[str, tuple[float, str]] = {}


def runtime_folder() -> Path:
    """A private folder of this host for what its processes share; made anew where it has gone.

    That of ``$XDG_RUNTIME_DIR``, which systems remove when its user logs out, else that of the temporary folder.
    """
    return _private(next(_places()))


def runtime_folders() -> list[Path]:
    """All such folders that there are."""
    return [path for path in dict.fromkeys(_places()) if path.exists() and _is_ours(path)]


def socket_path(name: str) -> Path:
    """The path for a socket called `name`, in the first private folder that leaves room for it.

    Raises
    ------
    Unavailable
        There is none.
    """
    for place in _places():
        if len(os.fsencode(place / name)) <= LONGEST:
            return _private(place) / name
    raise Unavailable(
        f"the socket {name} finds no place: its whole path may have {LONGEST} bytes; set XDG_RUNTIME_DIR to a private "
        "folder with a shorter path"
    )


def _places() -> Iterator[Path]:
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK):
        yield Path(base, "pilothouse")
    for folder in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - a private folder below it, checked to be ours
        yield Path(folder, f"pilothouse-{os.getuid()}")


def _private(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(path):
        raise Unavailable(f"the folder {path} belongs to another user; set XDG_RUNTIME_DIR to a private folder")
    path.chmod(0o700)
    return path


def _is_ours(path: Path) -> bool:
    found = path.lstat()
    return found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)


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
        Nobody listens there; or no answer came within `timeout` seconds, nor when the same was asked again after that:
        it may still be done. This process may repeat the call within :data:`REPEAT_S` seconds, and it is done once.
    PilothouseError
        What the supervisor answered.
    """
    line, result, body = _ask(record, op, timeout, arguments)
    line.close()
    return result, body


def connect(record: PilotRecord, op: str, timeout: float = 30.0, **arguments: Any) -> socket.socket:
    """As :func:`call`, for an `op` that opens a connection: the line, which carries that from now on.

    Returns
    -------
    socket.socket
        Unix, or :class:`ssl.SSLSocket`; it blocks, for `timeout` seconds at most.
    """
    return _ask(record, op, timeout, arguments)[0]


def _ask(record: PilotRecord, op: str, timeout: float, arguments: dict[str, Any]) -> tuple[socket.socket, Any, bytes]:
    """The line on which a request was answered, and the answer."""
    what = json.dumps([record.name, str(record.created), op, arguments], sort_keys=True)
    asked, number = _unanswered.pop(what, (0.0, ""))
    again = bool(number) and time.monotonic() - asked < REPEAT_S
    number = number if again else os.urandom(8).hex()
    why = ""
    for seconds in (timeout, AGAIN_S):
        try:
            line, token = _connect(record, seconds)
        except OSError as error:
            why = why or _said(record, error)
            break
        try:
            head, body = _exchange(line, pack({"op": op, **token, **arguments}, number.encode()))
        except OSError as error:
            line.close()
            again, why = True, _said(record, error)
            continue
        except BaseException:
            line.close()
            raise
        if "error" in head:
            line.close()
            raise PilothouseError.from_dict(head["error"])
        return line, head["ok"], body
    if not again:
        raise Unavailable(f"the supervisor can't be reached ({why}): {op} was not done")
    now = time.monotonic()
    for old in [each for each, (then, _) in _unanswered.items() if now - then > REPEAT_S]:
        _unanswered.pop(old, None)
    _unanswered[what] = now, number
    raise Unavailable(
        f"the supervisor does not answer ({why}): {op} may be done all the same. Ask for the same again within "
        f"{REPEAT_S:.0f} s, from this process: it is done once, and you get the answer"
    )


def _exchange(line: socket.socket, request: bytes) -> tuple[dict[str, Any], bytes]:
    line.sendall(request)
    head_size, body_size = LENGTHS.unpack(_read(line, LENGTHS.size))
    head: dict[str, Any] = json.loads(_read(line, head_size))
    return head, _read(line, body_size)


def _said(record: PilotRecord, error: OSError) -> str:
    """The error in words; of one of TLS what is behind it, where that is known."""
    import ssl

    clocks = clock_trouble(PILOTS.folder(record.name) / CERTIFICATE) if isinstance(error, ssl.SSLError) else ""
    return clocks or str(error.strerror or error)


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
            if not record.control:  # the second way in, also where its user's folder has gone
                raise
        else:
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
