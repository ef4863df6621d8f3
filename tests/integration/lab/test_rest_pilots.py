"""Pilots over REST: what the panel asks for, and what it gets for wrong input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph


async def test_sites_are_listed_with_their_limits(ask: Any) -> None:
    status, answer = await ask("GET", "sites")
    assert status == 200
    local = {site["name"]: site for site in answer["items"]}["local"]
    assert local["nodes"] >= 2
    assert local["memory"] > 2**28


async def test_the_form_gets_a_schema_with_titles_and_limits(ask: Any) -> None:
    status, schema = await ask("GET", "schema", "pilot")
    assert status == 200
    assert schema["properties"]["nodes"] | {"minimum": 1, "title": "Nodes"} == schema["properties"]["nodes"]
    assert set(schema["properties"]) >= {"site", "name", "nodes", "cores", "memory", "idle_timeout", "lease"}


async def test_a_pilot_lives_its_life_over_rest(ask: Any, state_home: Path) -> None:
    status, record = await ask("POST", "pilots", body={"site": "local", "name": "mine", "nodes": 1})
    assert (status, record["name"], record["nodes_wanted"]) == (202, "mine", 1)
    assert not ph.attach("mine").state.ended

    status, record = await ask("POST", "pilots", "mine", "extend", body={"nodes": 1})
    assert (status, ph.attach("mine").record.nodes_wanted) == (202, 2)
    status, record = await ask("POST", "pilots", "mine", "shrink", body={"nodes": 1})
    assert (status, ph.attach("mine").record.nodes_wanted) == (202, 1)

    status, answer = await ask("GET", "pilots")
    assert [item["name"] for item in answer["items"]] == ["mine"]
    status, record = await ask("GET", "pilots", "mine")
    assert (status, record["site"]) == (200, "local")
    status, answer = await ask("GET", "pilots", "mine", "logs", tail="5")
    assert status == 200
    assert isinstance(answer["text"], str)

    status, answer = await ask("POST", "pilots", body={"name": "mine"})
    assert (status, answer["code"], answer["field"]) == (409, "conflict", "name")

    status, record = await ask("DELETE", "pilots", "mine")
    assert status == 202
    ph.attach("mine").cancel()
    status, record = await ask("GET", "pilots", "mine")
    assert record["state"] == "finished"
    status, answer = await ask("POST", "pilots", "mine", "extend", body={"nodes": 1})
    assert (status, answer["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"site": "nowhere"}, "site"),
        ({"nodes": 0}, "nodes"),
        ({"nodes": "many"}, "nodes"),
        ({"nodes": 10**9}, "nodes"),
        ({"nodes": 10**400}, "nodes"),
        ({"nodes": None}, "nodes"),
        ({"cores": -1}, "cores"),
        ({"memory": "1 PiB"}, "memory"),
        ({"memory": "a lot"}, "memory"),
        ({"memory": "1 KiB"}, "memory"),
        ({"lease": "soon"}, "lease"),
        ({"name": "Not A Name"}, "name"),
        ({"name": "../escape"}, "name"),
        ({"name": 7}, "name"),
        ({"colour": "red"}, "colour"),
        ({"wait": True}, "wait"),
    ],
)
async def test_a_wrong_description_is_answered_with_its_field(
    ask: Any, state_home: Path, body: dict[str, Any], field: str
) -> None:
    status, answer = await ask("POST", "pilots", body=body)
    assert (status, answer["code"], answer["field"]) == (400, "invalid", field)
    assert answer["message"]
    assert ph.pilots() == []


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"nodes"', b"\xff\xfe", b"NaN", b"null"])
async def test_a_body_that_is_no_json_object_is_refused(ask: Any, state_home: Path, body: bytes) -> None:
    status, answer = await ask("POST", "pilots", body=body)
    assert (status, answer["code"]) == (400, "invalid")
    assert "JSON" in answer["message"]
    assert ph.pilots() == []


@pytest.mark.parametrize("nodes", [0, -1, "two", 1.5, True, None, 10**30, []])
@pytest.mark.parametrize("verb", ["extend", "shrink"])
async def test_a_wrong_number_of_nodes_is_refused(ask: Any, state_home: Path, verb: str, nodes: Any) -> None:
    status, answer = await ask("POST", "pilots", "any", verb, body={"nodes": nodes})
    assert (status, answer["field"]) == (400, "nodes")


async def test_an_unknown_field_of_extend_is_refused(ask: Any, state_home: Path) -> None:
    status, answer = await ask("POST", "pilots", "any", "extend", body={"node": 1})
    assert (status, answer["field"]) == (400, "node")


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", ("pilots", "nobody")),
        ("DELETE", ("pilots", "nobody")),
        ("POST", ("pilots", "nobody", "extend")),
        ("POST", ("pilots", "nobody", "shrink")),
        ("GET", ("pilots", "nobody", "logs")),
        ("GET", ("runs", "nobody")),
        ("POST", ("runs", "nobody", "stop")),
        ("GET", ("runs", "nobody", "logs")),
        ("GET", ("runs", "nobody", "telemetry")),
    ],
)
async def test_an_unknown_name_is_not_found(ask: Any, state_home: Path, verb: str, path: tuple[str, ...]) -> None:
    status, answer = await ask(verb, *path)
    assert (status, answer["code"], answer["field"]) == (404, "not-found", "name")
    assert "nobody" in answer["message"]


@pytest.mark.parametrize("name", ["UPPER", "%2e%2e%2fx", "a" * 49, "white%20space"])
async def test_an_impossible_name_is_refused(ask: Any, state_home: Path, name: str) -> None:
    status, answer = await ask("GET", "pilots", name)
    assert (status, answer["field"]) == (400, "name")


@pytest.mark.parametrize("tail", ["many", "0", "-3", "1e3", "99999999999"])
async def test_a_wrong_tail_is_refused(ask: Any, state_home: Path, tail: str) -> None:
    for kind in ("pilots", "runs"):
        status, answer = await ask("GET", kind, "any", "logs", tail=tail)
        assert (status, answer["field"]) == (400, "tail")


async def test_a_corrupt_record_is_listed_with_the_reason_and_kept(ask: Any, state_home: Path) -> None:
    folder = state_home / "pilots"
    folder.mkdir(parents=True)
    (folder / "broken.json").write_text('{"name": "broken", "sta')
    status, answer = await ask("GET", "pilots")
    assert status == 200
    (item,) = answer["items"]
    assert (item["name"], item["state"]) == ("broken", "unreadable")
    assert item["reason"]
    status, answer = await ask("GET", "pilots", "broken")
    assert status == 422
    assert (folder / "broken.json").read_text() == '{"name": "broken", "sta'


async def test_market_is_empty_where_none_runs(ask: Any, state_home: Path) -> None:
    status, answer = await ask("GET", "market")
    assert (status, answer["calls"], answer["offers"], answer["receipts"]) == (200, [], [], [])
