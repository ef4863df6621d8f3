"""Pilots over REST: what the panel asks for, and what it gets for wrong input."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

import pilothouse as ph
from tests.slurm.login_node import LoginNode, kill_supervisor
from tests.waiting import eventually


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


async def test_a_lost_pilot_is_recovered_and_others_are_not(ask: Any, state_home: Path) -> None:
    pilot = ph.submit("local", name="twice", nodes=1).wait(timeout=60)
    status, answer = await ask("POST", "pilots", "twice", "recover")
    assert (status, answer["code"]) == (409, "conflict")
    assert "only a lost one" in answer["message"]
    assert pilot.record.supervisor is not None
    psutil.Process(pilot.record.supervisor.pid).kill()
    eventually(lambda: pilot.state == "lost")
    status, record = await ask("POST", "pilots", "twice", "recover")
    assert (status, record["generation"], record["state"]) == (202, 2, "starting")
    pilot.wait(timeout=60)
    assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3


async def test_pilots_are_renewed_adapted_and_prolonged_over_rest(ask: Any, state_home: Path) -> None:
    pilot = ph.submit("local", name="mine", nodes=1).wait(timeout=60)
    (old,) = pilot.nodes
    status, _ = await ask("POST", "pilots", "mine", "renew")
    assert status == 202
    eventually(lambda: [node.name for node in pilot.nodes if node.state == "running"] not in ([], [old.name]))
    status, record = await ask("POST", "pilots", "mine", "adapt", body={"minimum": 2, "maximum": 3})
    assert (status, record["adapt"]) == (202, {"minimum": 2, "maximum": 3})
    eventually(lambda: pilot.record.nodes_wanted >= 2)  # two nodes may be the old one and its replacement
    status, answer = await ask("POST", "pilots", "mine", "adapt", body={"minimum": 3, "maximum": 2})
    assert (status, answer["field"]) == (400, "minimum")
    eventually(lambda: pilot.record.nodes_wanted == 2)
    end = pilot.record.lease_end
    assert end is not None
    status, record = await ask("POST", "pilots", "mine", "prolong", body={"lease": "90min"})
    assert (status, record["lease_end"]) == (202, (end + timedelta(minutes=90)).isoformat().replace("+00:00", "Z"))
    status, answer = await ask("POST", "pilots", "mine", "prolong", body={"lease": "366d"})
    assert (status, answer["field"]) == (400, "lease")
    assert "gives a pilot 8784:00:00 in all, so this one can be prolonged by 8770:30:00 at most" in answer["message"]
    for _ in range(2):  # the second time there is nothing to stop
        status, record = await ask("DELETE", "pilots", "mine", "adapt")
        assert (status, record["adapt"], record["nodes_wanted"]) == (202, None, 2)
    for body in ({"minimum": -1}, {"minimum": "1"}, {"maximum": 0}, {"maximum": True}, {"most": 2}):
        status, answer = await ask("POST", "pilots", "mine", "adapt", body=body)
        assert (status, answer["field"]) == (400, next(iter(body)))


async def test_a_timeline_is_an_item_for_bokehjs_with_its_cost(ask: Any, state_home: Path) -> None:
    ph.submit("local", name="mine", nodes=1).wait(timeout=60)
    status, answer = await ask("GET", "pilots", "mine", "timeline", width="700")
    assert status == 200
    assert answer["figure"]["doc"]["roots"][0]["attributes"]["width"] == 700
    assert "mine-1 |" in answer["text"]
    assert answer["cost"]["node_hours"] > 0
    status, answer = await ask("GET", "pilots", "mine", "timeline", width="7")
    assert (status, answer["field"]) == (400, "width")


async def test_orphans_are_listed_and_then_ended(ask: Any, login: LoginNode) -> None:
    pilot = login.submit(name="orphans", nodes=1).wait(timeout=60)
    kill_supervisor(pilot)
    status, answer = await ask("GET", "sweep")
    assert (status, [item["pilot"] for item in answer["items"]]) == (200, ["orphans"])
    assert len(login.alive()) == 1
    status, answer = await ask("POST", "sweep")
    assert (status, answer["items"][0]["why"]) == (200, "its pilot is lost")
    eventually(lambda: not login.alive())
    status, answer = await ask("GET", "sweep")
    assert answer["items"] == []
    assert "'slurm'" not in "".join(answer["unseen"])


async def test_a_batch_system_that_could_not_be_asked_for_orphans_is_named(ask: Any, login: LoginNode) -> None:
    login.wrap("sinfo", "exit 1")
    status, answer = await ask("GET", "sweep")
    assert (status, answer["items"]) == (200, [])
    assert "jobs at site 'slurm' were not looked at" in "".join(answer["unseen"])


async def test_a_preview_has_script_and_expected_start_of_each_kind(ask: Any, login: LoginNode) -> None:
    body = {"site": "slurm", "name": "anna", "nodes": 2, "kinds": {"debug": {"queue": "debug"}}}
    status, answer = await ask("POST", "preview", "pilot", body=body)
    assert (status, answer["site"], [item["kind"] for item in answer["items"]]) == (200, "slurm", ["node", "debug"])
    for item in answer["items"]:
        assert item["script"].startswith("#!/bin/bash")
        assert datetime.fromisoformat(item["expected_start"]).tzinfo is not None
        assert item["reason"] == ""
    body["directives"] = ["--constraint=nowhere"]
    status, answer = await ask("POST", "preview", "pilot", body=body)
    assert answer["items"][0]["expected_start"] is None
    assert "feature" in answer["items"][0]["reason"]
    assert not login.alive()
    assert ph.pilots() == []
    status, answer = await ask("POST", "preview", "pilot", body={**body, "kinds": {"debug": {"queue": "none"}}})
    assert (status, answer["field"]) == (400, "kinds.debug.queue")


@pytest.mark.parametrize("nodes", [0, -1, "two", 1.5, True, None, 10**30, []])
@pytest.mark.parametrize("verb", ["extend", "shrink"])
async def test_a_wrong_number_of_nodes_is_refused(ask: Any, state_home: Path, verb: str, nodes: Any) -> None:
    status, answer = await ask("POST", "pilots", "any", verb, body={"nodes": nodes})
    assert (status, answer["field"]) == (400, "nodes")


async def test_each_kind_of_node_is_scaled_for_itself(ask: Any, state_home: Path) -> None:
    pilot = ph.submit("local", name="two", nodes=1, kinds={"big": {"nodes": 1}})
    status, record = await ask("POST", "pilots", "two", "extend", body={"kind": "big", "nodes": 2})
    assert (status, record["wanted"]) == (202, {"node": 1, "big": 3})
    status, record = await ask("POST", "pilots", "two", "shrink", body={"kind": "big"})
    assert (status, record["wanted"]) == (202, {"node": 1, "big": 2})
    for kind in ("small", ["big"]):
        status, answer = await ask("POST", "pilots", "two", "extend", body={"kind": kind})
        assert (status, answer["field"]) == (400, "kind")
    assert pilot.record.nodes_wanted == 3


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
        ("POST", ("pilots", "nobody", "renew")),
        ("POST", ("pilots", "nobody", "prolong")),
        ("POST", ("pilots", "nobody", "adapt")),
        ("DELETE", ("pilots", "nobody", "adapt")),
        ("POST", ("pilots", "nobody", "recover")),
        ("GET", ("pilots", "nobody", "timeline")),
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
