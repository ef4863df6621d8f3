"""Tokens for blobs: signed events of kind 24242 that let a key put or get one blob (Blossom, BUD-11)."""

from __future__ import annotations

import base64
import binascii
import time
from urllib.parse import urlsplit

from pilothouse.errors import Untrusted
from pilothouse.market.loopback import HOST
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import verify

AUTHORISATION = 24242
#: What our servers are called; a request's own word for it is whatever the client likes.
HOSTS = frozenset({HOST, "localhost"})
#: Seconds for which a token of ours is good.
TOKEN_TTL = 60.0


def token(identity: Identity, verb: str, sha256: str, server: str) -> str:
    """The event (JSON) that lets `identity` do `verb` (``upload``, ``get``) with this blob on this server (BUD-11).

    On one host servers of several accounts differ by their ports alone, which BUD-11 leaves out: it has the port, too.
    """
    where = urlsplit(server)
    expiration = str(int(time.time() + TOKEN_TTL))
    tags = [["t", verb], ["x", sha256], ["expiration", expiration], ["server", where.hostname or ""]]
    if where.port is not None:
        tags.append(["port", str(where.port)])
    return identity.sign(AUTHORISATION, f"{verb} {sha256[:16]}", tags)


def authorise(header: str | None, verb: str, sha256: str | None, port: int) -> str:
    """The public key that an ``Authorization`` header proves to the loopback server on `port`, for the blob `sha256`.

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
        event = verify(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        raise Untrusted("authorization is not base64 of an event", field="auth") from None
    now = time.time()
    servers = event.values("server")
    if event.kind != AUTHORISATION or event.tag("t") != verb:
        raise Untrusted(f"authorization is not for {verb!r}", field="auth")
    if event.tag("expiration") is None or event.expired or event.created_at > now + 60:
        raise Untrusted("authorization has expired or has no valid expiration", field="auth")
    if (servers and HOSTS.isdisjoint(servers)) or event.tag("port") not in {None, str(port)}:
        raise Untrusted("authorization is for another server", field="auth")
    if sha256 is not None and sha256 not in event.values("x"):
        raise Untrusted("authorization is for another blob", field="auth")
    return event.author
