"""Runs in jobs go on with the next supervisor, whether the last one was killed or handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

import pilothouse as ph
from pilothouse.registry.records import RUNS
from tests.slurm.login_node import LoginNode, kill_supervisor
from tests.waiting import eventually

pytestmark = pytest.mark.batch

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.runs.handle import Run

MESSAGES, POINTS = 900, 300


def _kill(login: LoginNode, pilot: Pilot) -> None:
    kill_supervisor(pilot)
    pilot.recover()


def _hand_over(login: LoginNode, pilot: Pilot) -> None:
    supervisor = pilot.record.supervisor
    assert supervisor is not None
    psutil.Process(supervisor.pid).terminate()


def consumed(run: Run) -> Any:
    values = run.frame().columns.get("consumed")
    return values is not None and len(values) and values[-1] > 50


@pytest.mark.parametrize(
    ("placement", "end"),
    [
        pytest.param("login", _kill, marks=pytest.mark.nightly, id="supervisor killed"),
        pytest.param("job", _hand_over, id="handed over"),
    ],
)
def test_a_stream_goes_on_with_the_next_supervisor(login: LoginNode, placement: str, end: Any) -> None:
    pilot = login.submit(nodes=2, placement=placement, lease="2h", name="carried").wait(timeout=90)
    run = ph.streams.run(
        pilot=pilot, name="torn", messages=MESSAGES, rate=60, points=POINTS, clusters=3, decay=1.0, consumers=2
    )
    eventually(lambda: consumed(run), "messages")
    eventually(lambda: placement == "login" or any(n.role == "successor" and n.job for n in pilot.nodes))
    end(login, pilot)
    result = run.result(timeout=120)
    assert int(result["produced"]) == int(result["consumed"]) == MESSAGES
    assert float(result["weights"].sum()) == MESSAGES * POINTS
    assert (np.diff(run.telemetry["consumed"]) >= 0).all()
    assert RUNS.read(run.name).resumed == 1
    assert len([event for event in run.events() if event["what"] == "log restored"]) == 1
    pilot.cancel()
    eventually(lambda: not login.processes(), "the end of all processes")
    assert not login.files()
