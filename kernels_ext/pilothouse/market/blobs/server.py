"""Blobs by hash over loopback HTTP (Blossom, BUD-01/02/11): a server, a client that checks, and encryption.

Uploads and downloads are both authorised by a signed event of kind 24242
(:mod:`pilothouse.market.blobs.tokens`), and by the key that signed it being let in. The client believes nothing: what
does not hash to its name is thrown away.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pilothouse.errors import InvalidInput, NotFound, Unavailable, Untrusted
from pilothouse.market.blobs.tokens import token
from pilothouse.market.loopback import HOST, LoopbackServer
from pilothouse.market.messages.events import BlobRef
from pilothouse.market.nostr.identity import Identity


class BlobServer(LoopbackServer):
    """A blob server on a free loopback port, in a thread of its own.

    Parameters
    ----------
    root
        Folder that holds the blobs, a file each.
    admits
        Whether the owner of a public key (hex) may put and get; called in the server's thread.
    max_blob, quota
        Bytes: of one blob, and of all together.
    port
        Another one than a free one.

    Raises
    ------
    Unavailable
        The port is taken, or the server did not start.
    """

    def __init__(
        self,
        root: Path,
        admits: Callable[[str], bool],
        *,
        max_blob: int = 64 * 2**20,
        quota: int = 4 * 2**30,
        port: int = 0,
    ) -> None:
        from pilothouse.market.blobs.routes import routes

        self.root = root
        self.admits = admits
        self.max_blob = max_blob
        self.quota = quota
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in root.glob(".upload-*"):
            leftover.unlink()
        self.used = sum(path.stat().st_size for path in root.iterdir())
        super().__init__("blob server", routes(self), port)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{HOST}:{self.port}"


class BlobClient:
    """Puts and gets blobs at one party's request.

    Parameters
    ----------
    identity
        Whose key authorises.
    max_blob
        Bytes; nothing larger is downloaded.
    """

    def __init__(self, identity: Identity, *, max_blob: int = 64 * 2**20, timeout: float = 20.0) -> None:
        self.identity = identity
        self.max_blob = max_blob
        self._timeout = timeout
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect()).open

    def put(self, data: bytes, server: str, *, private: bool = True) -> BlobRef:
        """Store `data` at `server`; encrypted with a key of its own unless `private` is False.

        Raises
        ------
        Unavailable
            The server refuses or can't be reached.
        Untrusted
            The server says that it stored something else.
        """
        import json

        key = secrets.token_bytes(32) if private else None
        body = encrypt(data, key) if key else data
        sha256 = hashlib.sha256(body).hexdigest()
        answer = self._request("PUT", f"{server}/upload", "upload", sha256, server, body)
        try:
            stored = json.loads(answer)["sha256"]
        except (ValueError, KeyError, TypeError, RecursionError):
            stored = None
        if stored != sha256:
            raise Untrusted(f"the blob server {server} stored something else than it was sent", field="sha256")
        return BlobRef(sha256=sha256, size=len(body), server=server, key=key.hex() if key else None)

    def get(self, ref: BlobRef) -> bytes:
        """The blob's content, decrypted.

        Raises
        ------
        NotFound
            The server has no such blob.
        Unavailable
            It refuses, or can't be reached.
        Untrusted
            What came is not what the hash names, or too large, or does not decrypt. Nothing of it is kept.
        """
        if ref.size > self.max_blob:
            raise Untrusted(f"blob {ref.sha256[:16]}… is too large: {ref.size} > {self.max_blob} bytes", field="size")
        body = self._request("GET", f"{ref.server}/{ref.sha256}", "get", ref.sha256, ref.server, None, ref.size)
        if len(body) != ref.size or hashlib.sha256(body).hexdigest() != ref.sha256:
            raise Untrusted(f"blob {ref.sha256[:16]}… does not have the content that its hash names", field="sha256")
        return decrypt(body, bytes.fromhex(ref.key)) if ref.key else body

    def _request(
        self, method: str, url: str, verb: str, sha256: str, server: str, body: bytes | None, limit: int = 65_536
    ) -> bytes:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise InvalidInput(f"blobs={server!r} is no blob server: write http://… or https://…", field="blobs")
        event = token(self.identity, verb, sha256, server).encode()
        refused = ""
        for encode in (base64.b64encode, base64.urlsafe_b64encode):  # servers differ in what they take
            headers = {"Authorization": f"Nostr {encode(event).decode()}", "X-SHA-256": sha256}
            if body is not None:
                headers["Content-Type"] = "application/octet-stream"
            request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310
            try:
                with self._open(request, timeout=self._timeout) as answer:
                    return bytes(answer.read(limit + 1))
            except urllib.error.HTTPError as error:
                if error.code == HTTPStatus.NOT_FOUND:
                    raise NotFound(f"the blob server {server} has no blob {sha256[:16]}…", field="blobs") from None
                refused = f"{error.code} {error.headers.get('X-Reason') or error.reason}"
                if error.code not in {400, 401, 403}:
                    break
            except OSError as error:
                reason = getattr(error, "reason", error)
                raise Unavailable(f"the blob server {server} can't be reached: {reason}", field="blobs") from None
        raise Unavailable(f"the blob server {server} refused: {refused}", field="blobs")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A blob server named by another party must not send us elsewhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def encrypt(data: bytes, key: bytes) -> bytes:
    """AES-256-GCM with a random 96-bit nonce in front."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, data, None)


def decrypt(data: bytes, key: bytes) -> bytes:
    """What :func:`encrypt` packed; :class:`Untrusted` when key or content are wrong."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(data[:12], data[12:], None)
    except (InvalidTag, ValueError):
        raise Untrusted("a blob does not decrypt with the key it came with", field="key") from None
