"""A node waits for its pilot's supervisor, and says so when none comes."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.pilots.node import node
from pilothouse.registry.line import tls
from pilothouse.state import utcnow


@pytest.fixture
def arguments(tmp_path: Path) -> Iterator[argparse.Namespace]:
    """What a node is started with; its scheduler's file names `one`, and its pilot runs."""
    for name, content in (("scheduler.json", {"id": "one"}), ("record.json", {"state": "running"})):
        (tmp_path / name).write_text(json.dumps(content))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    paths = {"scheduler_file": str(tmp_path / "scheduler.json"), "record": str(tmp_path / "record.json")}
    yield argparse.Namespace(**paths, tls_cert=str(tmp_path / "tls.crt"), until=0.0, patience=0.3)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_scheduler_that_does_not_answer_is_tried_again_and_the_next_one_is_waited_for(
    arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served: list[str] = []

    async def serve(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
        path = Path(arguments.scheduler_file)
        served.append(json.loads(path.read_text())["id"])
        if served == ["one"]:
            raise TimeoutError("it is busy")
        if served[-1] == "one":
            path.write_text(json.dumps({"id": "two"}))

    monkeypatch.setattr(node, "serve", serve)
    with caplog.at_level(logging.WARNING):
        asyncio.run(node._main(arguments))
    assert served == ["one", "one", "two"]
    assert [message.split(": ")[-1] for message in caplog.messages] == ["it is busy", "this node ends"]
    assert "no supervisor came within 0.3 s" in caplog.text


def test_a_node_whose_pilot_has_ended_waits_for_nothing(
    arguments: argparse.Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    Path(arguments.scheduler_file).unlink()
    Path(arguments.record).write_text(json.dumps({"state": "finished"}))
    asyncio.run(node._main(arguments))
    assert caplog.messages == []


def test_a_node_ends_with_the_lease_and_not_before_when_that_was_prolonged(
    arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "LEASE_SLACK_S", 0.0)

    async def steps() -> None:
        stop, over = asyncio.Event(), datetime.now(UTC) + timedelta(seconds=0.4)
        Path(arguments.record).write_text(json.dumps({"lease_end": over.isoformat()}))
        node._end_with_lease(arguments.record, time.time() - 60, stop)  # as it was when the node began
        assert not stop.is_set()
        async with asyncio.timeout(20):
            await stop.wait()
        assert datetime.now(UTC) >= over

        stop.clear()
        Path(arguments.record).write_text("")  # nobody knows better than its own command line
        node._end_with_lease(arguments.record, time.time() - 60, stop)
        assert stop.is_set()

    asyncio.run(steps())


def test_a_node_whose_clock_is_hours_behind_says_so(
    arguments: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(_: argparse.Namespace, stop: asyncio.Event) -> None:
        stop.set()
        raise TimeoutError("it can't be reached")

    with monkeypatch.context() as patch:
        patch.setattr(tls, "utcnow", lambda: utcnow() + timedelta(hours=3))  # the supervisor's host
        arguments.tls_cert = tls.make_certificate(Path(arguments.tls_cert).parent)["tls_cert"]
    monkeypatch.setattr(node, "serve", serve)
    asyncio.run(node._main(arguments))
    assert (
        "the pilot's certificate is not valid yet: this clock and that of the supervisor's host differ" in caplog.text
    )
