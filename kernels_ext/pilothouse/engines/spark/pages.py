"""Spark's web pages: closed to all who have not the service's secret, and asked in JSON.

Masters and workers can't do without a port for pages, which would show every user of the host what runs, its output
included. So a filter of Spark's own is before all of them, and before those of applications: it lets pass who brings a
token that is signed with a key. The pages of workers and applications are below the master's, which fetches them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from pilothouse.errors import Refused, Unavailable

FILTER = "org.apache.spark.ui.JWSFilter"
#: What links on all pages begin with: who shows them to a browser puts there where it has them.
ROOT = "/the-pages-of-this-spark"
#: Seconds that a token is good for; clocks of hosts may differ.
GOOD_S = 900
#: Seconds for an answer.
PATIENCE_S = 5.0


def closed(secret: str) -> dict[str, str]:
    """The properties that put the filter before a process's pages, have them below the master's, and end nothing."""
    return {
        "spark.ui.filters": FILTER, f"spark.{FILTER}.param.secretKey": _base64(_key(secret)),
        "spark.ui.reverseProxy": "true", "spark.ui.reverseProxyUrl": ROOT, "spark.ui.killEnabled": "false",
    }  # fmt: skip


def admission(secret: str) -> dict[str, str]:
    """The header by which the filter lets pass."""
    return {"Authorization": f"Bearer {token(secret)}"}


def token(secret: str) -> str:
    """A JSON Web Token (RFC 7519), signed with HMAC SHA-256, for the pages of the service that has this secret."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"exp": int(time.time()) + GOOD_S})
    signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_base64(hmac.digest(_key(secret), signed.encode(), 'sha256'))}"


def asked(pages: str, secret: str, patience: float = PATIENCE_S) -> dict[str, Any]:
    """What the master or the worker whose pages are at `pages` says of itself.

    Raises
    ------
    Refused
        The secret is not that of the service.
    Unavailable
        Nobody answers.
    """
    where = urlsplit(pages)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=patience)
    try:
        connection.request("GET", "/json/", headers=admission(secret))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        raise Unavailable(f"Spark at {pages} does not answer: {error}") from None
    finally:
        connection.close()
    if answer.status in (401, 403):
        raise Refused(f"Spark at {pages} does not know the secret: it is not this service's, or an old one")
    if answer.status != 200:
        raise Unavailable(f"Spark at {pages} answers {answer.status} {answer.reason}")
    said: dict[str, Any] = json.loads(body)
    return said


def _key(secret: str) -> bytes:
    """Of the pages alone: who has it can't speak to the daemons themselves."""
    return hmac.digest(secret.encode(), b"pages", hashlib.sha256)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
