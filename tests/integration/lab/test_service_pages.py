"""The own pages of a service through the Jupyter server: who gets them, where their links lead, what stays behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.websocket import websocket_connect

import pilothouse as ph

PAGES = ("pilothouse", "services", "shown", "dashboard")


@pytest.fixture(scope="module")
def board(local_pilot: ph.Pilot) -> Iterator[Any]:
    """The test engine's service: there is a word, and its pages want it."""
    service: Any = local_pilot.start("board", name="shown").wait(timeout=60)
    service.client()("ahoy")
    yield service
    service.stop()


@pytest.fixture
def address(board: Any, http_server_client: Any, jp_http_port: int, jp_base_url: str, jp_serverapp: Any) -> str:
    """Where the pages begin."""
    return f"127.0.0.1:{jp_http_port}{jp_base_url}{'/'.join(PAGES)}"


def direct(board: Any, word: str) -> int:
    """How the pages themselves answer who has this word."""
    where = urlsplit(board.members[0]["pages"])
    connection = HTTPConnection(where.hostname or "", where.port, timeout=10)
    connection.request("GET", "/", headers={"Authorization": f"Board {word}"})
    status = connection.getresponse().status
    connection.close()
    return status


async def test_pages_come_through_for_whom_jupyter_knows_with_links_below_their_place(
    board: Any, jp_fetch: Any, address: str
) -> None:
    path = address[address.index("/") :]
    page = await jp_fetch(*PAGES, "words")
    assert page.body.decode() == f'<a href="{path}/words">words</a> <img src="{path}/x"> ["ahoy"]'
    assert page.headers["Content-Security-Policy"].startswith("frame-ancestors 'self'")
    assert board.dashboard == f"{path}/"
    assert f"pages: {path}/" in board._repr_mimebundle_()["text/plain"]


async def test_it_is_told_to_the_panel_and_not_after_the_end(
    ask: Any, board: Any, local_pilot: ph.Pilot, jp_fetch: Any, jp_base_url: str
) -> None:
    _, answer = await ask("GET", "services")
    shown = {item["name"]: item["dashboard"] for item in answer["items"]}
    assert shown["shown"] == f"{jp_base_url}{'/'.join(PAGES)}/"
    brief: Any = local_pilot.start("board", name="brief-board").wait(timeout=60)
    assert direct(board, board.secrets["word"]) == 200
    assert direct(board, brief.secrets["word"]) == 403, "another service's secret does not help"
    brief.stop()
    assert brief.dashboard == ""
    for name, code, words in (
        ("brief-board", 409, b"its pages have gone with it"), ("nobody", 404, b"Not Found"),
    ):  # fmt: skip
        with pytest.raises(HTTPClientError) as caught:
            await jp_fetch("pilothouse", "services", name, "dashboard", "words")
        assert caught.value.code == code
        assert words in caught.value.response.body


@pytest.mark.parametrize("page", ["", "words", "away"])
async def test_a_stranger_gets_no_page(address: str, board: Any, page: str) -> None:
    word = board.secrets["word"]
    for headers in ({}, {"Authorization": "token wrong"}, {"Authorization": f"Board {word}"}, {"Cookie": "username=x"}):
        with pytest.raises(HTTPClientError) as caught:
            await AsyncHTTPClient().fetch(f"http://{address}/{page}", headers=headers, follow_redirects=False)
        assert caught.value.code == 302
        assert "/login" in caught.value.response.headers["Location"]
    with pytest.raises(HTTPClientError) as caught:
        await websocket_connect(f"ws://{address}/words")
    assert caught.value.code == 403


async def test_cookies_and_tokens_of_jupyter_stay_behind_both_ways(
    board: Any, address: str, jp_auth_header: dict[str, str]
) -> None:
    token = jp_auth_header["Authorization"].split()[1]
    headers = {**jp_auth_header, "Cookie": "jupyter=x", "X-XSRFToken": "x", "X-Forwarded-For": "x", "Referer": token}
    answer = await AsyncHTTPClient().fetch(f"http://{address}/asked?token={token}&all=1", headers=headers)
    path, seen = json.loads(answer.body)
    assert path == "/asked?all=1"
    assert {name.lower() for name in seen} == {"host", "accept-encoding", "authorization"}
    assert seen["Authorization"] == f"Board {board.secrets['word']}"
    assert token not in str(seen)
    page = await AsyncHTTPClient().fetch(f"http://{address}/", headers=jp_auth_header)
    assert "biscuit" not in str(page.headers)
    assert board.secrets["word"] not in page.body.decode() + str(page.headers)


async def test_redirections_stay_below_and_lead_to_no_other_server(
    address: str, jp_auth_header: dict[str, str]
) -> None:
    path = address[address.index("/") :]
    for page, code, where in (
        ("", 302, f"{path}/"), ("/moved", 302, f"{path}/words?all=1"), ("/away", 502, None),
    ):  # fmt: skip
        with pytest.raises(HTTPClientError) as caught:
            await AsyncHTTPClient().fetch(f"http://{address}{page}", headers=jp_auth_header, follow_redirects=False)
        assert caught.value.code == code
        assert caught.value.response.headers.get("Location") == where


async def test_they_read_only(jp_fetch: Any, board: Any) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch(*PAGES, "words", method="POST", body="")
    assert caught.value.code == 405


async def test_what_is_no_service_has_no_pages(jp_fetch: Any, count: Any) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await jp_fetch("pilothouse", "services", count(to=3).name, "dashboard", "words")
    assert caught.value.code == 400
