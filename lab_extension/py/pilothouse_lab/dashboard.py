"""Dask's dashboard of a pilot, below the Jupyter server's own address and behind its authentication.

The pages are the supervisor's, which may be on another host, and are had through its own authenticated line: this
handler can reach nothing else. It reads only, and of a request it passes on what pages need: no cookies, no tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from pilothouse_lab.answers import RESOURCE, STATUS, in_feed_thread

if TYPE_CHECKING:
    import socket

#: Path of the route, relative to the server's base URL.
PATH = "/pilothouse/pilots/([^/]+)/dashboard(?:/(.*))?"

#: What of a request the pages need.
ASKED = ("Accept", "Accept-Language", "If-Modified-Since", "If-None-Match", "Range")

#: What of a websocket's handshake.
UPGRADE = (
    "Connection", "Upgrade", "Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
)  # fmt: skip

#: What of an answer the browser needs.
ANSWERED = ("Accept-Ranges", "Cache-Control", "Content-Range", "Content-Type", "Etag", "Last-Modified")

#: Seconds for an answer: the first who looks waits until Bokeh is loaded.
PATIENCE = 60.0


class Dashboard(JupyterHandler):
    """One of the pages, or a plot's websocket."""

    auth_resource = RESOURCE

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
        """What the pilot's scheduler has there."""
        if not page:
            self.redirect(f"{self.request.path.rstrip('/')}/status")
        elif self._upgrades:
            await self._join(await self._connect(name))
        else:
            await self._answer(await self._connect(name))

    async def _connect(self, name: str) -> socket.socket:
        from pilothouse.errors import PilothouseError

        try:
            return await in_feed_thread(_connect, name)
        except PilothouseError as error:
            raise web.HTTPError(STATUS.get(error.code, 422), "%s", str(error)) from None

    def _target(self) -> str:
        """Path and query as the pages see them, still quoted; Jupyter's token, where it is in the query, stays here."""
        path = re.split(r"/pilothouse/pilots/[^/]+/dashboard", self.request.path, maxsplit=1)[1]
        query = [(key, value) for key, value in parse_qsl(self.request.query, True) if key != "token"]
        return f"{path}?{urlencode(query)}" if query else path

    def _passed_on(self, names: tuple[str, ...]) -> dict[str, str]:
        return {name: value for name in names if (value := self.request.headers.get(name)) is not None}

    async def _answer(self, line: socket.socket) -> None:
        target, headers = self._target(), self._passed_on(ASKED)

        def ask() -> tuple[int, dict[str, str], bytes]:
            connection = HTTPConnection("dask", timeout=PATIENCE)
            connection.sock = line
            with contextlib.closing(connection):
                connection.request("GET", target, headers=headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()

        try:
            status, found, body = await in_feed_thread(ask)
        except (OSError, HTTPException, ValueError) as error:  # of values: an address that is none
            raise web.HTTPError(502, "The pilot's dashboard did not answer: %s", str(error)) from None
        self.set_status(status)
        self.clear_header("Content-Type")
        for name in ANSWERED:
            if name in found:
                self.set_header(name, found[name])
        if "Location" in found:
            root = self.request.path.removesuffix(target.partition("?")[0])
            where = found["Location"]
            self.set_header("Location", root + where if where.startswith("/") else where)
        await self.finish(body if status not in (204, 304) else None)

    async def _join(self, line: socket.socket) -> None:
        """Let browser and Bokeh shake hands, then carry their bytes: what they are is not looked at."""
        line.settimeout(0)
        there = SSLIOStream(line) if isinstance(line, ssl.SSLSocket) else IOStream(line)
        head = [f"GET {self._target()} HTTP/1.1", "Host: dask"]
        head += [f"{name}: {value}" for name, value in self._passed_on(UPGRADE).items()]
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


async def _carry(source: IOStream, sink: IOStream) -> None:
    with contextlib.suppress(StreamClosedError):
        while True:
            await sink.write(await source.read_bytes(1 << 16, partial=True))


def _connect(name: str) -> socket.socket:
    """A new connection to the dashboard of the pilot called `name`."""
    from pilothouse.errors import Conflict
    from pilothouse.pilots import Pilot
    from pilothouse.registry.line import client as control

    record = Pilot(name).record
    if record.state.ended:
        raise Conflict(f"the pilot {name!r} is {record.state}: its dashboard has gone with it", field="pilot")
    return control.connect(record, "dashboard", PATIENCE)
