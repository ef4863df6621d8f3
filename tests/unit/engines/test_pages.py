"""The way to a framework's own pages, as the supervisor has it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pilothouse.engines.pages import connected
from pilothouse.errors import Unavailable
from tests.plugin.pilothouse_test_engines import Board


class Pageless(Board):
    title = "Pageless"

    def pages(self, members: Sequence[Mapping[str, Any]]) -> str:
        return ""


def test_without_pages_or_before_they_are_there_it_says_so() -> None:
    with pytest.raises(Unavailable, match="Pageless has no pages at the moment"):
        asyncio.run(connected(Pageless(), [{"pages": "http://127.0.0.1:1"}]))
    with pytest.raises(Unavailable, match="Board has no pages at the moment"):
        asyncio.run(connected(Board(), [{"number": 1}]))


def test_pages_that_do_not_answer_are_an_error_and_those_that_do_are_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        members = [{"pages": f"http://127.0.0.1:{server.getsockname()[1]}"}]
        line = asyncio.run(connected(Board(), members))
        assert line.getpeername() == server.getsockname()
        line.close()
    with pytest.raises(Unavailable, match="the pages of Board do not answer: Connection refused"):
        asyncio.run(connected(Board(), members))
