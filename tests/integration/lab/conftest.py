"""A Jupyter server with the extension, in the test's event loop."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403 -- the hooks and fixtures of a plug-in, for this folder alone

from pilothouse.errors import NotFound
from pilothouse.registry.dashboard_link import SERVER


class Answer(NamedTuple):
    """Status and JSON of an answer."""

    status: int
    json: Any


Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"pilothouse_lab": True},
            "allow_unauthenticated_access": False,
            "terminals_enabled": False,  # not ours, and not all of its endpoints say who may use them
        }
    }


@pytest.fixture(autouse=True)
def _kernels_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension tells kernels through the environment, which here is that of all tests: it is put back."""
    monkeypatch.setenv(SERVER, "")


@pytest.fixture
def ask(jp_fetch: Any) -> Ask:
    """``await ask("GET", "pilots", ...)``: the answer, errors included."""

    async def ask(verb: str, *path: str, body: Any = None, **params: str) -> Answer:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if verb == "POST" and data is None:
            data = b""
        found = await jp_fetch(
            "pilothouse",
            "api",
            "v1",
            *path,
            method=verb,
            body=data,
            params=params,
            raise_error=False,
            request_timeout=60,
        )
        return Answer(found.code, json.loads(found.body))

    return ask


@pytest.fixture
def count(local_pilot: Any) -> Iterator[Callable[..., Any]]:
    """``count(to=50)``: a run on a real pilot that counts ten times a second."""
    begun = []

    def count(**parameters: Any) -> Any:
        begun.append(local_pilot.launch("count", parameters))
        return begun[-1]

    yield count
    for run in begun:
        with contextlib.suppress(NotFound):  # the test removed it
            run.stop()
