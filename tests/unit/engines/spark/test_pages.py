"""Tokens for pages that are closed, and what their answers mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pilothouse.engines.spark.pages import asked, closed, token
from pilothouse.errors import Refused, Unavailable


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def key(secret: str) -> bytes:
    (name,) = [name for name in closed(secret) if name.endswith(".secretKey")]
    return decoded(closed(secret)[name])


def is_good(secret: str, given: str) -> bool:
    """As the filter of Spark's looks at tokens (RFC 7515)."""
    signed, _, signature = given.rpartition(".")
    head, body = (json.loads(decoded(part)) for part in signed.split("."))
    expected = hmac.new(key(secret), signed.encode(), hashlib.sha256).digest()
    return head["alg"] == "HS256" and body["exp"] > time.time() and hmac.compare_digest(decoded(signature), expected)


@pytest.fixture
def pages() -> Iterator[str]:
    """A page that is closed with the secret ``right``."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = is_good("right", self.headers["Authorization"].removeprefix("Bearer "))
            self.send_response(200 if good else 403)
            self.end_headers()
            if good:
                self.wfile.write(json.dumps({"path": self.path}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_who_has_the_secret_is_let_in(pages: str) -> None:
    assert asked(pages, "right") == {"path": "/json/"}


def test_who_has_another_hears_why(pages: str) -> None:
    with pytest.raises(Refused, match="does not know the secret"):
        asked(pages, "wrong")


def test_where_nobody_answers_that_is_said(unused_port: int) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        asked(f"http://127.0.0.1:{unused_port}", "right")


def test_the_key_of_the_pages_tells_nothing_of_the_secret() -> None:
    assert len(key("a" * 64)) == 32  # what HS256 needs at least
    assert "a" * 64 not in str(closed("a" * 64)) + token("a" * 64)


@pytest.fixture
def unused_port() -> int:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_address[1]
