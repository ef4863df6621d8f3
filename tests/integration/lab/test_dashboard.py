"""Dask's dashboard through the Jupyter server: who gets it, what it shows, and what stays behind."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from tornado import web
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.websocket import WebSocketHandler, websocket_connect

import pilothouse as ph
from pilothouse.registry.line import client as control
from pilothouse.registry.line.server import Answers, serve_tls
from pilothouse.registry.line.tls import make_certificate
from pilothouse.registry.records import PILOTS, PilotRecord
from pilothouse.state import utcnow
from pilothouse_lab import dashboard

PAGES = ("pilothouse", "pilots", "tests", "dashboard")

TOKEN = re.compile(r'"token":"([\w.-]+)"')


@pytest.fixture(autouse=True)
def _own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_SERVER", "")  # what the extension writes there is undone


@pytest.fixture
def address(http_server_client: Any, jp_http_port: int, jp_base_url: str, jp_serverapp: Any) -> str:
    """Where the dashboard's pages begin."""
    return f"127.0.0.1:{jp_http_port}{jp_base_url}{'/'.join(PAGES)}"


class Echo:
    """Stands where the dashboard is, and says what reached it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.seen: list[Any] = []
        seen = self.seen

        class Page(web.RequestHandler):
            def get(self) -> None:
                seen.append(self.request)
                self.set_cookie("dask", "biscuit")
                if "moved" in self.request.path:
                    self.redirect("/status")
                else:
                    self.finish("page")

        class Socket(WebSocketHandler):
            def open(self) -> None:
                seen.append(self.request)

            def on_message(self, message: str | bytes) -> None:
                self.write_message(message, binary=isinstance(message, bytes))

        self._server = HTTPServer(web.Application([(r"/ws", Socket), (r"/.*", Page)]))

    def connect(self, name: str) -> socket.socket:
        end, other = socket.socketpair()
        self._loop.call_soon_threadsafe(lambda: self._server.handle_stream(IOStream(other), ()))
        return end


@pytest.fixture
def echo(jp_serverapp: Any, jp_asyncio_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> Echo:
    found = Echo(jp_asyncio_loop)
    monkeypatch.setattr(dashboard, "_connect", found.connect)
    return found


async def log_in(address: str, jp_auth_header: dict[str, str]) -> str:
    """The cookies that a browser has then."""
    token = jp_auth_header["Authorization"].split()[1]
    answer = await AsyncHTTPClient().fetch(f"http://{address}/status?token={token}")
    return "; ".join(each.split(";")[0] for each in answer.headers.get_list("Set-Cookie"))


async def test_pages_and_plots_come_through_for_whom_jupyter_knows(
    local_pilot: ph.Pilot, jp_fetch: Any, address: str, jp_auth_header: dict[str, str]
) -> None:
    page = await jp_fetch(*PAGES, "status")
    assert b"static/js/bokeh.min.js" in page.body
    assert page.headers["Content-Security-Policy"].startswith("frame-ancestors 'self'")
    assert b"Bokeh" in (await jp_fetch(*PAGES, "static", "js", "bokeh.min.js")).body
    assert local_pilot.name.encode() in (await jp_fetch(*PAGES, "info", "main", "workers.html")).body
    plots = json.loads((await jp_fetch(*PAGES, "individual-plots.json")).body)
    plot = plots["Individual Nprocessing"].strip("/")
    found = TOKEN.search((await jp_fetch(*PAGES, plot)).body.decode())
    assert found
    line = await websocket_connect(
        HTTPRequest(f"ws://{address}/{plot}/ws", headers=jp_auth_header), subprotocols=["bokeh", found[1]]
    )
    assert await _message(line) == ("ACK", {})
    for part in ({"msgid": "1", "msgtype": "PULL-DOC-REQ"}, {}, {}):
        await line.write_message(json.dumps(part))
    kind, document = await _message(line)
    while kind == "PATCH-DOC":
        kind, document = await _message(line)
    assert kind == "PULL-DOC-REPLY"
    assert "figure" in json.dumps(document).lower()
    line.close()


async def _message(line: Any) -> tuple[str, Any]:
    """Kind and content of one of Bokeh's messages; its buffers are read, too."""
    header = json.loads(await line.read_message())
    await line.read_message()
    content = json.loads(await line.read_message())
    for _ in range(2 * header.get("num_buffers", 0)):
        await line.read_message()
    return header["msgtype"], content


async def test_a_notebook_is_told_the_path_on_its_server(
    local_pilot: ph.Pilot, jp_serverapp: Any, jp_base_url: str
) -> None:
    assert local_pilot.dashboard == f"{jp_base_url}pilothouse/pilots/tests/dashboard/status"


@pytest.mark.parametrize("page", ["status", "", "static/js/bokeh.min.js", "individual-plots.json"])
async def test_a_stranger_gets_no_page(address: str, echo: Echo, page: str) -> None:
    for headers in ({}, {"Authorization": "token wrong"}, {"Cookie": "username=x"}):
        with pytest.raises(HTTPClientError) as caught:
            await AsyncHTTPClient().fetch(f"http://{address}/{page}", headers=headers, follow_redirects=False)
        assert caught.value.code == 302
        assert "/login" in caught.value.response.headers["Location"]
    assert not echo.seen


async def test_a_stranger_gets_no_plot(address: str, echo: Echo) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(HTTPRequest(f"ws://{address}/ws", headers={"Authorization": "token wrong"}))
    assert caught.value.code == 403
    assert not echo.seen


async def test_pages_of_other_sites_open_no_plot_in_the_users_browser(
    address: str, echo: Echo, jp_auth_header: dict[str, str]
) -> None:
    cookie = await log_in(address, jp_auth_header)
    seen = len(echo.seen)
    host = address.split("/")[0]
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(
            HTTPRequest(f"ws://{address}/ws", headers={"Cookie": cookie, "Origin": "https://elsewhere.org"})
        )
    assert caught.value.code == 403
    assert len(echo.seen) == seen
    line = await websocket_connect(
        HTTPRequest(f"ws://{address}/ws", headers={"Cookie": cookie, "Origin": f"http://{host}"})
    )
    for message in ("text", b"\0binary", "x" * 300_000):
        await line.write_message(message, binary=isinstance(message, bytes))
        assert await line.read_message() == message
    line.close()
    assert not {"Cookie", "Origin", "Authorization"} & set(echo.seen[-1].headers)


async def test_plots_come_through_from_another_host(
    address: str, echo: Echo, jp_auth_header: dict[str, str], state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = PILOTS.folder("far")
    tls = make_certificate(folder)
    (folder / "token").write_text("word")

    async def joined() -> tuple[Any, bytes]:
        return echo.connect("far"), b""

    server, control_address = await serve_tls("127.0.0.1", tls, "word", Answers({"dashboard": joined}, {}))
    record = PilotRecord(name="far", site="cluster", created=utcnow(), control=control_address)
    monkeypatch.setattr(dashboard, "_connect", lambda name: control.connect(record, "dashboard"))
    line = await websocket_connect(HTTPRequest(f"ws://{address}/ws", headers=jp_auth_header))
    for message in ("text", "x" * 300_000, b"\0binary"):
        await line.write_message(message, binary=isinstance(message, bytes))
        assert await line.read_message() == message
    line.close()
    page = await AsyncHTTPClient().fetch(f"http://{address}/status", headers=jp_auth_header)
    assert page.body == b"page"
    server.close()


async def test_secrets_and_cookies_stay_behind_both_ways(
    address: str, echo: Echo, jp_auth_header: dict[str, str]
) -> None:
    cookie = await log_in(address, jp_auth_header)
    token = jp_auth_header["Authorization"].split()[1]
    headers = {**jp_auth_header, "Cookie": cookie, "X-XSRFToken": "x", "Referer": f"http://{address}?token={token}"}
    page = "info/task/%28%27a%2Fb%27%2C%200%29.html"
    answer = await AsyncHTTPClient().fetch(f"http://{address}/{page}?token={token}&theme=dark&empty=", headers=headers)
    assert answer.body == b"page"
    assert "biscuit" not in str(answer.headers)
    request = echo.seen[-1]
    assert request.uri == f"/{page}?theme=dark&empty="
    assert {name.lower() for name in request.headers} <= {"host", "accept-encoding"}
    assert token not in str(request.headers)


async def test_redirects_stay_below_the_prefix(address: str, echo: Echo, jp_auth_header: dict[str, str]) -> None:
    path = address[address.index("/") :]
    for page in ("", "/", "/moved"):
        with pytest.raises(HTTPClientError) as caught:
            await AsyncHTTPClient().fetch(f"http://{address}{page}", headers=jp_auth_header, follow_redirects=False)
        assert caught.value.response.headers["Location"] == f"{path}/status"


@pytest.mark.parametrize(("page", "code"), [("board", 404), ("/\xe4", 502)])
async def test_an_address_that_is_none_is_an_error_not_a_crash(
    address: str, echo: Echo, jp_auth_header: dict[str, str], page: str, code: int
) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await AsyncHTTPClient().fetch(f"http://{address}{page}", headers=jp_auth_header)
    assert caught.value.code == code
    assert not echo.seen


async def test_it_reads_only(jp_fetch: Any, echo: Echo) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch(*PAGES, "api", method="POST", body="")
    assert caught.value.code == 405
    assert not echo.seen


async def test_what_is_not_a_socket_does_not_become_one(
    address: str, echo: Echo, jp_auth_header: dict[str, str]
) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(HTTPRequest(f"ws://{address}/status", headers=jp_auth_header))
    assert caught.value.code == 404


@pytest.fixture
def ended(state_home: Any) -> str:
    pilot = ph.submit("local", name="short").wait(timeout=60)
    pilot.cancel()
    return pilot.name


async def test_without_a_pilot_the_page_says_so(jp_fetch: Any, ended: str) -> None:
    for name, code, words in ((ended, 409, b"the pilot &#39;short&#39; is finished"), ("nobody", 404, b"Not Found")):
        with pytest.raises(HTTPClientError) as caught:
            await jp_fetch("pilothouse", "pilots", name, "dashboard", "status")
        assert caught.value.code == code
        assert words in caught.value.response.body
