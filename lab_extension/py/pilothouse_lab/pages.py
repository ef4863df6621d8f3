"""Pages of others below the Jupyter server's own address and behind its authentication.

What is shown is at the other end of a supervisor's own, authenticated line, whichever host that is on: such a route
can reach nothing else. It reads only, and of a request it passes on what pages need: no cookies, no tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from pilothouse_lab.answers import RESOURCE, STATUS, in_feed_thread

#: What of a request the pages need.
ASKED = ("Accept", "Accept-Language", "If-Modified-Since", "If-None-Match", "Range")

#: What of a websocket's handshake.
UPGRADE = (
    "Connection", "Upgrade", "Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)  # fmt: skip

#: What of an answer the browser needs.
ANSWERED = ("Accept-Ranges", "Cache-Control", "Content-Range", "Content-Type", "Etag", "Last-Modified")

#: Before links of pages to their own server's other pages.
LINK = re.compile(rb"""(\s(?:href|src|action)=["'])(/(?!/)[^"']*)""")

#: As what the pages are asked: where they are is nobody's concern.
HOST = "pages"

#: Seconds for an answer: the first who looks waits until Bokeh is loaded.
PATIENCE = 60.0


@dataclass(frozen=True)
class Opened:
    """A connection to pages.

    Attributes
    ----------
    headers
        By which they let in whoever the supervisor has.
    root
        What absolute links on them begin with, in place of where they are here; empty where they have none.
    """

    line: socket.socket
    headers: Mapping[str, str] = field(default_factory=dict)
    root: str = ""


class Pages(JupyterHandler):
    """One of the pages, or a plot's websocket.

    Attributes
    ----------
    below
        Where the pages are, relative to the server's base URL: words before and after the name of what has them.
    first
        The page that is shown where none is named.
    """

    auth_resource = RESOURCE
    below: ClassVar[tuple[str, str]]
    first: ClassVar[str] = ""

    def open(self, name: str) -> Opened:
        """Connect to the pages of what is called `name`; in a thread.

        Raises
        ------
        PilothouseError
            They can't be had.
        """
        raise NotImplementedError

    @property
    def _upgrades(self) -> bool:
        return self.request.headers.get("Upgrade", "").lower() == "websocket"

    async def prepare(self) -> None:  # type: ignore[override]
        """A stranger is sent to the login page; a stranger's websocket, or another site's, is refused."""
        await super().prepare(_redirect_to_login=not self._upgrades)
        if self._upgrades and not (self.current_user and self.check_origin()):
            raise web.HTTPError(403)

    @web.authenticated
    @authorized
    async def get(self, name: str, page: str | None = None) -> None:
        """What is there."""
        if not page and (self.first or page is None):
            self.redirect(f"{self.request.path.rstrip('/')}/{self.first}")
        elif self._upgrades:
            await self._join(await self._connect(name))
        else:
            await self._answer(await self._connect(name), name)

    async def _connect(self, name: str) -> Opened:
        from pilothouse.errors import PilothouseError

        try:
            return await in_feed_thread(self.open, name)
        except PilothouseError as error:
            raise web.HTTPError(STATUS.get(error.code, 422), "%s", str(error)) from None

    def _place(self, name: str) -> str:
        """Where the pages are, as an absolute path."""
        before, after = self.below
        return f"{self.base_url}{before}/{quote(name, safe='')}/{after}"

    def _target(self) -> str:
        """Path and query as the pages see them, still quoted; Jupyter's token, where it is in the query, stays here."""
        before, after = self.below
        path = re.split(rf"/{before}/[^/]+/{after}", self.request.path, maxsplit=1)[1]
        query = [(key, value) for key, value in parse_qsl(self.request.query, True) if key != "token"]
        return f"{path}?{urlencode(query)}" if query else path

    def _passed_on(self, names: tuple[str, ...]) -> dict[str, str]:
        return {name: value for name in names if (value := self.request.headers.get(name)) is not None}

    async def _answer(self, opened: Opened, name: str) -> None:
        target, headers = self._target(), {**self._passed_on(ASKED), **opened.headers}

        def ask() -> tuple[int, HTTPMessage, bytes]:
            connection = HTTPConnection(HOST, timeout=PATIENCE)
            connection.sock = opened.line
            with contextlib.closing(connection):
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()

        try:
            status, found, body = await in_feed_thread(ask)
        except (OSError, HTTPException, ValueError) as error:  # of values: an address that is none
            raise web.HTTPError(502, "The pages of %s did not answer: %s", name, str(error)) from None
        place = self._place(name)
        body = linked(body, found.get("Content-Type", ""), place, opened.root)
        self.set_status(status)
        self.clear_header("Content-Type")
        for header in ANSWERED:
            if header in found:
                self.set_header(header, found[header])
        if "Location" in found:
            self.set_header("Location", _here(found["Location"], place, opened.root))
        await self.finish(body if status not in (204, 304) else None)

    async def _join(self, opened: Opened) -> None:
        """Let browser and pages shake hands, then carry their bytes: what they are is not looked at."""
        line = opened.line
        line.settimeout(0)
        there = SSLIOStream(line) if isinstance(line, ssl.SSLSocket) else IOStream(line)
        head = [f"GET {self._target()} HTTP/1.1", f"Host: {HOST}"]
        head += [f"{name}: {value}" for name, value in {**self._passed_on(UPGRADE), **opened.headers}.items()]
        try:
            await there.write("\r\n".join([*head, "", ""]).encode("latin1"))
            async with asyncio.timeout(PATIENCE):
                answer = await there.read_until(b"\r\n\r\n", max_bytes=1 << 16)
            if not answer.startswith(b"HTTP/1.1 101 "):  # the browser will speak to Jupyter on this connection again
                raise web.HTTPError(404)
            browser = self.detach()
            ways = [asyncio.create_task(_carry(browser, there)), asyncio.create_task(_carry(there, browser))]
            try:
                await browser.write(answer)
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                browser.close()
        except (StreamClosedError, TimeoutError):
            if not self._finished:
                raise web.HTTPError(502) from None
        finally:
            there.close()


def linked(body: bytes, kind: str, place: str, root: str) -> bytes:
    """`body` with its links below `place`: those that begin with `root`, and on a page those that begin with /."""
    if root and kind.startswith(("text/", "application/json")):
        body = body.replace(root.encode(), place.encode())
    if kind.startswith("text/html"):
        here = place.encode()
        body = LINK.sub(lambda link: link[0] if link[2].startswith(here) else link[1] + here + link[2], body)
    return body


def _here(where: str, place: str, root: str) -> str:
    """Where a redirection leads, as the browser has to ask; one to somebody else is not passed on."""
    said = urlsplit(where)
    if said.scheme or said.netloc or "\\" in where:  # browsers take that for a slash
        if said.scheme not in ("", "http") or said.netloc != HOST:
            raise web.HTTPError(502, "The page leads elsewhere, to another server: that is not followed here.")
        where = where[where.index(said.netloc) + len(said.netloc) :] or "/"
    return place + where.removeprefix(root) if where.startswith("/") else where


async def _carry(source: IOStream, sink: IOStream) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            await sink.write(await source.read_bytes(1 << 16, partial=True))
