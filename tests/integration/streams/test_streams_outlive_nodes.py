"""Nodes go away under a stream, told or not: every message is in the model exactly once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import pilothouse as ph
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.runs.handle import Run

POINTS = 100


@pytest.fixture
def pilot(state_home: Path) -> Pilot:
    return ph.submit("local", name="changing", nodes=2, lease="1h").wait(timeout=60)


def last(run: Run, name: str) -> float:
    values = run.frame().columns.get(name)
    return float(values[-1]) if values is not None and len(values) else 0.0


def events(run: Run, what: str) -> list[dict[str, Any]]:
    return [event for event in run.events() if event["what"] == what]


def stream(pilot: Pilot, messages: int) -> Run:
    run = ph.streams.run(
        pilot=pilot, rate=100, messages=messages, points=POINTS, producers=2, consumers=2, decay=1.0, seed=3
    )
    eventually(lambda: last(run, "consumed") > 50, "messages")
    return run


def assert_exact(run: Run, messages: int) -> Any:
    result = run.result(timeout=120)
    assert int(result["produced"]) == int(result["consumed"]) == messages
    # Without decay the weights are the number of points ever taken in: each message is in the model once.
    assert float(result["weights"].sum()) == messages * POINTS
    for name in ("produced", "consumed", "produced_bytes", "consumed_bytes"):
        assert (np.diff(run.telemetry[name]) >= 0).all(), name
    return result


def home_of(run: Run) -> str:
    return str(events(run, "log placed")[-1]["node"])


def settled(pilot: Pilot, *names: str) -> None:
    """Wait until these nodes are the pilot's."""
    eventually(lambda: {n.name for n in pilot.nodes if not n.state.ended} == set(names), f"nodes {names}")


def test_a_stream_goes_on_when_its_nodes_are_given_back_and_renewed(pilot: Pilot) -> None:
    run = stream(pilot, 600)
    pilot.shrink(1)
    eventually(lambda: sum(not node.state.ended for node in pilot.nodes) == 1, "one node")
    pilot.renew()
    settled(pilot, "changing-3")
    result = assert_exact(run, 600)
    assert result.attrs["restarts"] == 0
    assert result.attrs["moves"] >= 1
    assert {event["node"] for event in events(run, "process started")} >= {"changing-1", "changing-2", "changing-3"}


def end_job(pilot: Pilot, node: str) -> None:
    """As a batch system ends a job: SIGTERM to the process that it started."""
    os.kill(next(n.pid for n in pilot.nodes if n.name == node), signal.SIGTERM)


def kill_node(pilot: Pilot, node: str) -> None:
    os.kill(next(n.pid for n in pilot.nodes if n.name == node), signal.SIGKILL)


@pytest.mark.parametrize("end", [end_job, kill_node])
def test_a_stream_goes_on_when_the_node_of_its_log_is_ended(pilot: Pilot, end: Callable[[Pilot, str], None]) -> None:
    run = stream(pilot, 500)
    home = home_of(run)
    end(pilot, home)
    eventually(lambda: len(events(run, "log restored")) == 1, "the log elsewhere")
    assert home_of(run) != home
    assert_exact(run, 500)


def test_a_stream_waits_for_a_node_when_there_is_none(pilot: Pilot) -> None:
    run = stream(pilot, 400)
    pilot.scale(0)
    eventually(lambda: all(node.state.ended for node in pilot.nodes), "no nodes")
    assert run.state == "running"
    pilot.scale(1)
    assert_exact(run, 400)
