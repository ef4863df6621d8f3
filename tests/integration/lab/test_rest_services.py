"""Services over REST, with the engine of the tests on a real pilot."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.errors import NotFound
from pilothouse.registry.records import PILOTS, PilotRecord, State
from pilothouse.state import utcnow
from tests.waiting import eventually_async


@pytest.fixture
def begin(ask: Any, local_pilot: Any) -> Iterator[Callable[..., Awaitable[Any]]]:
    """``await begin(slow=1.0)``: a board, started over REST; its handle."""
    begun: list[str] = []

    async def begin(**settings: Any) -> Any:
        status, record = await ask("POST", "pilots", local_pilot.name, "start", body={"engine": "board", **settings})
        assert (status, record["kind"], record["pilot"]) == (202, "service", local_pilot.name)
        begun.append(record["name"])
        return ph.attach(record["name"])

    yield begin
    for name in begun:
        with contextlib.suppress(NotFound):
            ph.attach(name).stop()


async def test_engines_are_listed_each_with_the_schema_of_its_settings(ask: Any) -> None:
    status, answer = await ask("GET", "engines")
    found = {item["name"]: item for item in answer["items"]}
    assert (status, found["board"]) == (200, {"name": "board", "title": "Board", "needs": [], "ready": True})
    status, schema = await ask("GET", "schema", "service", engine="board")
    assert (status, list(schema["properties"])) == (200, ["engine", "nodes", "name", "slow", "broken", "keeps"])
    assert schema["properties"]["engine"]["default"] == "board"
    assert set(schema["properties"]["engine"]["enum"]) == set(found)
    status, answer = await ask("GET", "schema", "service", engine="chalk")
    assert (status, answer["field"]) == (400, "engine")


async def test_a_service_is_started_shown_extended_shrunk_and_stopped(ask: Any, begin: Any) -> None:
    board = (await begin(name="words")).wait(timeout=60)
    board.client()("secret-free")

    async def shown() -> Any:
        status, answer = await ask("GET", "services")
        assert status == 200
        return next((item for item in answer["items"] if item["name"] == "words"), None)

    async def until(done: Callable[[Any], bool]) -> Any:
        found: list[Any] = []

        async def look() -> bool:
            found[:] = [await shown()]
            return done(found[0])

        await _until(look)
        return found[0]

    first = await until(lambda item: item["members"][0]["metrics"].get("words") == 1.0)
    assert (first["engine"], first["address"], first["wanted"], first["complete"]) == ("board", board.address, 1, True)
    assert first["members"][0]["state"] == "running"
    assert board.secrets["word"] not in str(first)

    status, logs = await ask("GET", "runs", "words", "logs", node=board.nodes[0])
    assert (status, "a board with 0 words" in logs["text"]) == (200, True)
    status, answer = await ask("GET", "runs", "words", "logs", node="nowhere")
    assert (status, answer["field"]) == (404, "node")

    status, record = await ask("POST", "runs", "words", "extend")
    assert (status, record["name"]) == (202, "words")
    more = await until(lambda item: (item["wanted"] == 2 and item["complete"] is False) or len(item["members"]) == 2)
    assert more["wanted"] == 2
    status, _ = await ask("POST", "runs", "words", "shrink", body={"nodes": 1})
    assert status == 202
    await until(lambda item: item["wanted"] == 1 and item["complete"])
    status, answer = await ask("POST", "runs", "words", "shrink")
    assert (status, answer["code"], answer["field"]) == (409, "conflict", "n")

    status, _ = await ask("POST", "runs", "words", "stop")
    assert status == 202
    await eventually_async(lambda: board.state is State.FINISHED, "its end")
    assert await shown() is None


async def _until(look: Callable[[], Awaitable[bool]]) -> None:
    import asyncio

    async with asyncio.timeout(60):
        while not await look():  # noqa: ASYNC110 - of the server, which tells no events of figures
            await asyncio.sleep(0.05)


async def test_a_form_offers_what_the_site_of_the_pilot_allows(ask: Any, state_home: Path) -> None:
    settings = {"engines": ["board"]}
    PILOTS.write(PilotRecord(name="p", site="s", state=State.FINISHED, created=utcnow(), settings=settings))
    status, schema = await ask("GET", "schema", "service", pilot="p")
    assert (status, schema["properties"]["engine"]["enum"]) == (200, ["board"])
    PILOTS.write(PilotRecord(name="p", site="s", state=State.FINISHED, created=utcnow(), settings={"engines": []}))
    status, answer = await ask("GET", "schema", "service", pilot="p")
    assert (status, answer["field"]) == (503, "engine")
    assert (await ask("GET", "schema", "service", pilot="nobody"))[0] == 404


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "engine"),
        ({"engine": 3}, 400, "engine"),
        ({"engine": "chalk"}, 400, "engine"),
        ({"engine": "board", "nodes": 0}, 400, "nodes"),
        ({"engine": "board", "nodes": 99}, 400, "nodes"),
        ({"engine": "board", "slow": "very"}, 400, "slow"),
        ({"engine": "board", "colour": "green"}, 400, "colour"),
    ],
)
async def test_what_can_not_be_started_is_told_by_its_field(
    ask: Any, local_pilot: Any, body: dict[str, Any], status: int, field: str
) -> None:
    before = {run.name for run in ph.runs()}
    found, answer = await ask("POST", "pilots", local_pilot.name, "start", body=body)
    assert (found, answer["field"]) == (status, field), answer
    assert {run.name for run in ph.runs()} == before


async def test_only_services_have_nodes(ask: Any, count: Any) -> None:
    run = count(to=600)
    for verb in ("extend", "shrink"):
        status, answer = await ask("POST", "runs", run.name, verb)
        assert (status, answer["field"]) == (400, "name")
    assert (await ask("POST", "runs", "nobody", "extend"))[0] == 404
    assert (await ask("POST", "pilots", "nobody", "start", body={"engine": "board"}))[0] == 404
