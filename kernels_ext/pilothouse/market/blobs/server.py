"""Blobs by hash over loopback HTTP (Blossom, BUD-01/02/11): a server, a client that checks, and encryption.

Uploads and downloads are both authorised by a signed event of kind 24242. The client believes nothing:
what does not hash to its name is thrown away.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import re
import secrets
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pilothouse.errors import InvalidInput, Unavailable, Untrusted
from pilothouse.market.messages.events import BlobRef
from pilothouse.market.nostr import session as nostr

AUTHORISATION = 24242
#: Seconds for which a token of ours is good.
TOKEN_TTL = 60.0
_PATH = re.compile(r"/([0-9a-f]{64})(?:\.[A-Za-z0-9]{1,10})?")


def token(identity: nostr.Identity, verb: str, sha256: str, server: str) -> str:
    """The event (JSON) that lets `identity` do `verb` (``upload``, ``get``) with this blob on this server (BUD-11)."""
    host = urlsplit(server).hostname or ""
    expiration = str(int(time.time() + TOKEN_TTL))
    tags = [["t", verb], ["x", sha256], ["expiration", expiration], ["server", host]]
    return identity.sign(AUTHORISATION, f"{verb} {sha256[:16]}", tags)


def authorise(header: str | None, verb: str, sha256: str | None, host: str) -> str:
    """The public key that an ``Authorization`` header proves, and the blob hash it is for is `sha256`.

    Both base64 alphabets are taken, padded or not: clients differ. With `sha256` None, any one hash is taken.

    Raises
    ------
    Untrusted
        No token, or one that is forged, expired, for another verb, blob or server.
    """
    scheme, _, text = (header or "").partition(" ")
    if scheme != "Nostr" or not text:
        raise Untrusted("authorization is missing: send 'Nostr <base64 of a signed kind 24242 event>'", field="auth")
    plain = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        event = nostr.verify(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        raise Untrusted("authorization is not base64 of an event", field="auth") from None
    now = time.time()
    servers = event.values("server")
    if event.kind != AUTHORISATION or event.tag("t") != verb:
        raise Untrusted(f"authorization is not for {verb!r}", field="auth")
    if event.tag("expiration") is None or event.expired or event.created_at > now + 60:
        raise Untrusted("authorization has expired or has no valid expiration", field="auth")
    if servers and host not in servers:
        raise Untrusted("authorization is for another server", field="auth")
    if sha256 is not None and sha256 not in event.values("x"):
        raise Untrusted("authorization is for another blob", field="auth")
    return event.author


class BlobServer:
    """A blob server on a free loopback port, in a thread of its own.

    Parameters
    ----------
    root
        Folder that holds the blobs, a file each.
    max_blob, quota
        Bytes: of one blob, and of all together.
    port
        Another one than a free one.

    Raises
    ------
    Unavailable
        The port is taken, or the server did not start.
    """

    def __init__(self, root: Path, *, max_blob: int = 64 * 2**20, quota: int = 4 * 2**30, port: int = 0) -> None:
        self.root = root
        self.max_blob = max_blob
        self.quota = quota
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in root.glob(".upload-*"):
            leftover.unlink()
        self.used = sum(path.stat().st_size for path in root.iterdir())
        self._port = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.url = ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="pilothouse-blobs", daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise Unavailable("the blob server did not start within 10 s")
        if not self.url:
            raise Unavailable(f"the blob server can't listen on port {port}: it is taken", field="port")

    async def _serve(self) -> None:
        from tornado.httpserver import HTTPServer
        from tornado.netutil import bind_sockets
        from tornado.web import Application

        from pilothouse.market.blobs.routes import BlobHandler, UploadHandler

        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        routes: list[Any] = [
            (r"/upload", UploadHandler, {"server": self}),
            (_PATH.pattern, BlobHandler, {"server": self}),
        ]
        http = HTTPServer(Application(routes, log_function=lambda handler: None), max_body_size=2**62)
        try:
            sockets = bind_sockets(self._port, "127.0.0.1")
        except OSError:
            self._ready.set()
            return
        http.add_sockets(sockets)
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        http.stop()
        await http.close_all_connections()

    def close(self) -> None:
        """End the server; the blobs stay in their folder. Closing twice is no error."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)


class BlobClient:
    """Puts and gets blobs at one party's request.

    Parameters
    ----------
    identity
        Whose key authorises.
    max_blob
        Bytes; nothing larger is downloaded.
    """

    def __init__(self, identity: nostr.Identity, *, max_blob: int = 64 * 2**20, timeout: float = 20.0) -> None:
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
        Unavailable
            The server refuses, has no such blob, or can't be reached.
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
