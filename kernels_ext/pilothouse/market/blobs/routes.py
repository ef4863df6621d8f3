"""The blob server's HTTP routes: they authorise, count bytes, and translate errors to statuses."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Protocol

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler, stream_request_body

from pilothouse.errors import Untrusted
from pilothouse.market.blobs import tokens

CHUNK = 256 * 1024


class Blobs(Protocol):
    """What the routes need of the server."""

    root: Path
    port: int
    max_blob: int
    quota: int
    used: int

    @property
    def url(self) -> str:
        """Where it listens."""

    def admits(self, pubkey: str, /) -> bool:
        """Whether the owner of this key may put and get."""


def routes(server: Blobs) -> list[Any]:
    """As tornado's ``Application`` takes them."""
    return [
        (r"/upload", UploadHandler, {"server": server}),
        (r"/([0-9a-f]{64})(?:\.[A-Za-z0-9]{1,10})?", BlobHandler, {"server": server}),
    ]


class _Route(RequestHandler):
    def initialize(self, server: Blobs) -> None:
        self.blobs = server

    def refuse(self, status: HTTPStatus, reason: str) -> None:
        self.set_status(status)
        self.set_header("X-Reason", reason.replace("…", "...").encode("ascii", "replace").decode())
        self.finish()

    def authorised(self, verb: str, sha256: str | None) -> bool:
        try:
            key = tokens.authorise(self.request.headers.get("Authorization"), verb, sha256, self.blobs.port)
        except Untrusted as error:
            self.refuse(HTTPStatus.UNAUTHORIZED, str(error))
            return False
        if not self.blobs.admits(key):
            self.refuse(
                HTTPStatus.FORBIDDEN, "this server takes and gives nothing for a key that its user did not admit"
            )
            return False
        return True


class BlobHandler(_Route):
    """GET and HEAD of a blob by its hash (BUD-01)."""

    async def get(self, sha256: str) -> None:
        """Send the bytes; for HEAD, their number."""
        path = self.blobs.root / sha256
        if not self.authorised("get", sha256):
            return
        if not path.is_file():
            self.refuse(HTTPStatus.NOT_FOUND, "no such blob")
            return
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", path.stat().st_size)
        if self.request.method == "HEAD":
            return
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                self.write(chunk)
                try:
                    await self.flush()
                except StreamClosedError:
                    return

    head = get


@stream_request_body
class UploadHandler(_Route):
    """PUT of a blob (BUD-02); the announced hash is authorised before a byte is taken."""

    _file: IO[bytes] | None = None

    def prepare(self) -> None:
        """Refuse what can be refused before a byte is taken."""
        # What is too large is answered, not cut off: it is read and thrown away.
        self.request.connection.set_max_body_size(2**62)  # type: ignore[union-attr]
        headers = self.request.headers
        self._announced = headers.get("X-SHA-256") or None
        length = headers.get("Content-Length", "")
        if self.request.method != "PUT":
            self.refuse(HTTPStatus.METHOD_NOT_ALLOWED, "use PUT")
        elif not self.authorised("upload", self._announced):
            return
        elif not length.isdigit() or int(length) == 0:
            self.refuse(HTTPStatus.LENGTH_REQUIRED, "send Content-Length")
        elif int(length) > self.blobs.max_blob:
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the largest blob here is {self.blobs.max_blob} bytes")
        elif self.blobs.used + int(length) > self.blobs.quota:
            self.refuse(HTTPStatus.INSUFFICIENT_STORAGE, f"the server is full ({self.blobs.quota} bytes)")
        else:
            self._hash = hashlib.sha256()
            self._size = 0
            self._partial = self.blobs.root / f".upload-{secrets.token_hex(8)}"
            self._file = os.fdopen(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def data_received(self, chunk: bytes) -> None:
        """Write and hash what has come."""
        if self._file is not None:
            self._file.write(chunk)
            self._hash.update(chunk)
            self._size += len(chunk)

    def put(self) -> None:
        """Keep the blob, once its hash is authorised."""
        if self._file is not None:
            self._file.close()
        sha256 = self._hash.hexdigest()
        # The token must name what really came, whatever the header announced.
        if not self.authorised("upload", sha256):
            return
        final = self.blobs.root / sha256
        status = HTTPStatus.OK if final.exists() else HTTPStatus.CREATED
        if status is HTTPStatus.CREATED:
            self.blobs.used += self._size
        os.replace(self._partial, final)
        self.set_status(status)
        self.write(
            {
                "url": f"{self.blobs.url}/{sha256}",
                "sha256": sha256,
                "size": self._size,
                "type": "application/octet-stream",
                "uploaded": int(time.time()),
            }
        )

    def refuse(self, status: HTTPStatus, reason: str) -> None:
        """Say no, and keep nothing."""
        self._discard()  # before the answer: whoever was refused finds nothing left behind
        super().refuse(status, reason)

    def on_connection_close(self) -> None:
        """Keep nothing of a blob that broke off."""
        self._discard()

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._partial.unlink(missing_ok=True)
