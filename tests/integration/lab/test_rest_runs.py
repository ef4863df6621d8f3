"""Runs over REST."""

from __future__ import annotations

import time
from typing import Any

from tests.waiting import eventually_async, slowness


async def test_a_run_is_listed_read_and_stopped(ask: Any, count: Any) -> None:
    run = count(to=600)
    status, answer = await ask("GET", "runs")
    item = {item["name"]: item for item in answer["items"]}[run.name]
    assert (status, item["kind"], item["parameters"]) == (200, "count", {"to": 600})
    await eventually_async(lambda: run.frame().seq >= 3, "samples")
    begun = time.monotonic()
    status, record = await ask("POST", "runs", run.name, "stop")
    assert status == 202
    assert record["state"] in ("stopping", "finished")
    assert time.monotonic() - begun < 2 * slowness()
    run.wait(timeout=60)
    status, record = await ask("GET", "runs", run.name)
    assert (status, record["state"], record["reason"]) == (200, "finished", "stopped")
    status, answer = await ask("GET", "runs", run.name, "logs", tail="3")
    assert status == 200
    assert "counting" in answer["text"]


async def test_stopping_an_ended_run_is_no_error(ask: Any, count: Any) -> None:
    run = count(to=1)
    run.wait(timeout=20)
    status, record = await ask("POST", "runs", run.name, "stop")
    assert (status, record["state"]) == (202, "finished")


async def test_a_failed_run_says_why(ask: Any, count: Any) -> None:
    run = count(to=1, fail="no more numbers")
    run.wait(timeout=20)
    status, record = await ask("GET", "runs", run.name)
    assert (status, record["state"]) == (200, "failed")
    assert "no more numbers" in record["reason"]


async def test_a_name_of_the_other_kind_is_not_found(ask: Any, count: Any) -> None:
    run = count(to=1)
    assert (await ask("GET", "pilots", run.name))[0] == 404
    assert (await ask("GET", "runs", run.pilot))[0] == 404


async def test_an_ended_run_is_removed_and_a_later_one_of_its_name_is_not(ask: Any, count: Any) -> None:
    run = count(to=600)
    status, answer = await ask("POST", "runs", run.name, "remove")
    assert (status, answer["code"]) == (409, "conflict")
    run.stop()
    _, record = await ask("GET", "runs", run.name)
    status, answer = await ask("POST", "runs", run.name, "remove", body={"created": "2026-01-01T00:00:00Z"})
    assert (status, answer["field"]) == (409, "created")
    status, answer = await ask("POST", "runs", run.name, "remove", body={"made": 1})
    assert (status, answer["field"]) == (400, "made")
    status, answer = await ask("POST", "runs", run.name, "remove", body={"created": record["created"]})
    assert (status, answer) == (200, record)
    for verb, *path in (("GET", "runs", run.name), ("POST", "runs", run.name, "remove")):
        assert (await ask(verb, *path))[0] == 404
