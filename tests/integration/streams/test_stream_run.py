"""Streams on a real pilot: stopped, killed, overloaded; every message is in the model exactly once."""

from __future__ import annotations

import json
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import pilothouse as ph
from pilothouse.errors import Failed
from pilothouse.streams.brokers.log import Log
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.runs.handle import Run

POINTS = 500
#: Without decay the model's weights are the number of points that it has ever taken in.
SMALL: dict[str, Any] = {"points": POINTS, "clusters": 5, "decay": 1.0}


def last(run: Run, name: str) -> float:
    values = run.frame().columns.get(name)
    return float(values[-1]) if values is not None and len(values) else 0.0


def events(run: Run, what: str) -> list[dict[str, Any]]:
    return [event for event in run.events() if event["what"] == what]


def pids(run: Run, label: str) -> list[int]:
    return [event["pid"] for event in events(run, "process started") if event["label"] == label]


def log_of(run: Run) -> Path:
    return Path(events(run, "log placed")[0]["path"])


def assert_exact(run: Run, result: Any) -> None:
    """Nothing lost, nothing counted twice, and telemetry says the same as the result."""
    produced, consumed, remaining = (int(result[name]) for name in ("produced", "consumed", "remaining"))
    assert produced == consumed + remaining
    assert float(result["weights"].sum()) == consumed * POINTS
    telemetry = run.telemetry
    for name in ("produced", "consumed", "produced_bytes", "consumed_bytes", "dropped"):
        assert (np.diff(telemetry[name]) >= 0).all(), name
    assert int(telemetry["produced"][-1]) == produced
    assert int(telemetry["consumed"][-1]) == consumed
    assert int(telemetry["lag"][-1]) == remaining


def test_stop_ends_in_time_and_loses_nothing(local_pilot: Pilot) -> None:
    run = ph.streams.run(pilot=local_pilot, rate=100, producers=2, consumers=2, partitions=3, **SMALL)
    eventually(lambda: last(run, "consumed") > 50)
    assert log_of(run).is_dir()
    run.stop()
    result = run.result(timeout=30)
    assert run.state == "finished"
    assert_exact(run, result)
    assert int(result["remaining"]) == 0
    assert not log_of(run).exists()
    asked, ended = (datetime.fromisoformat(events(run, what)[0]["time"]) for what in ("stop asked for", "finished"))
    assert (ended - asked).total_seconds() < 2.5


def test_a_run_that_is_stopped_at_once_leaves_a_log_only_if_messages_are_in_it(local_pilot: Pilot) -> None:
    run = ph.streams.run(pilot=local_pilot, rate=0.001, **SMALL)
    eventually(lambda: events(run, "log placed"))
    run.stop()
    result = run.result(timeout=30)
    assert int(result["produced"]) == int(result["consumed"]) + int(result["remaining"])
    assert log_of(run).exists() == (int(result["remaining"]) > 0) == bool(result.attrs["log"])
    if result.attrs["log"]:
        Log(log_of(run), partitions=2).remove()


def test_telemetry_and_result_are_labelled(local_pilot: Pilot) -> None:
    run = ph.streams.run(pilot=local_pilot, rate=60, seconds=4, points=2000, clusters=4, seed=7)
    result = run.result(timeout=60)
    assert result["centres"].dims == ("cluster", "axis")
    assert result["centres"].shape == (4, 3)
    assert int(result["produced"]) == int(result["consumed"]) == 240
    assert result["produced"].attrs["units"] == "messages"
    assert float(result["cost"]) == pytest.approx(3.0, rel=0.1)
    assert json.loads(result.attrs["parameters"])["seed"] == 7
    telemetry = run.telemetry
    assert telemetry["latency"].dims == ("time", "quantile")
    assert telemetry["latency"].attrs["units"] == "s"
    assert int(telemetry["produced_bytes"][-1]) == 240 * 2000 * 3 * 4
    assert np.isfinite(telemetry["cost"][-1])
    intervals = np.diff(telemetry["time"].values).astype("timedelta64[ms]").astype(int)
    assert np.median(intervals) >= 90  # ten samples a second, no more


@pytest.mark.parametrize("label", ["consumer-0", "producer-1"])
def test_a_killed_process_goes_on_where_it_was(local_pilot: Pilot, label: str) -> None:
    run = ph.streams.run(pilot=local_pilot, rate=150, messages=600, producers=2, partitions=3, **SMALL)
    eventually(lambda: last(run, "consumed") > 100)
    os.kill(pids(run, label)[0], signal.SIGKILL)
    result = run.result(timeout=90)
    assert_exact(run, result)
    assert int(result["produced"]) == int(result["consumed"]) == 600
    assert result.attrs["restarts"] == 1
    died = events(run, "process died")
    assert [(event["label"], event["code"]) for event in died] == [(label, -9)]


def test_lag_grows_while_a_consumer_hangs(local_pilot: Pilot) -> None:
    run = ph.streams.run(pilot=local_pilot, rate=100, consumers=2, partitions=2, **SMALL)
    eventually(lambda: last(run, "consumed") > 50)
    (hung,) = pids(run, "consumer-1")
    os.kill(hung, signal.SIGSTOP)
    try:
        before = last(run, "produced")
        eventually(lambda: last(run, "lag") > 50)
        assert last(run, "produced") > before + 50
        frame = run.frame()
    finally:
        os.kill(hung, signal.SIGCONT)
    columns = frame.columns
    assert (columns["lag"] == columns["produced"] - columns["consumed"]).all()
    eventually(lambda: last(run, "lag") < 10)
    run.stop()
    assert_exact(run, run.result(timeout=30))


def test_what_a_consumer_that_hangs_at_the_end_had_learned_is_not_counted(local_pilot: Pilot) -> None:
    run = ph.streams.run(pilot=local_pilot, rate=100, producers=1, consumers=2, partitions=2, **SMALL)
    eventually(lambda: last(run, "consumed") > 20)
    os.kill(pids(run, "consumer-0")[0], signal.SIGSTOP)
    run.stop(timeout=60)
    result = run.result(timeout=30)
    produced, consumed, remaining = (int(result[name]) for name in ("produced", "consumed", "remaining"))
    assert result.attrs["unfinished"] == "consumer-0"
    assert "consumer-0 did not finish" in run.logs()
    assert 0 < consumed < produced == consumed + remaining
    assert float(result["weights"].sum()) == consumed * POINTS
    log = Log(Path(result.attrs["log"]), partitions=2, limit=128 << 20)
    try:
        assert sum(log.tail(partition) for partition in range(2)) == produced
    finally:
        log.remove()


def test_a_process_that_keeps_dying_fails_the_run_and_leaves_no_log(local_pilot: Pilot) -> None:
    run = ph.streams.run(pilot=local_pilot, rate=20, **SMALL)
    for life in range(4):
        eventually(lambda life=life: len(pids(run, "consumer-0")) > life)
        eventually(lambda: events(run, "log placed"))
        os.kill(pids(run, "consumer-0")[life], signal.SIGKILL)
    with pytest.raises(Failed, match="consumer-0 died 4 times"):
        run.result(timeout=60)
    assert run.state == "failed"
    eventually(lambda: not log_of(run).exists())


def test_a_backlog_that_can_not_be_drained_stays_in_the_log(local_pilot: Pilot) -> None:
    run = ph.streams.run(
        pilot=local_pilot, rate=None, producers=2, partitions=2, points=10_000, dim=8, clusters=1000, decay=1.0
    )
    eventually(lambda: last(run, "lag") > 300 and last(run, "consumed") > 0)
    run.stop()
    result = run.result(timeout=30)
    produced, consumed, remaining = (int(result[name]) for name in ("produced", "consumed", "remaining"))
    assert produced == consumed + remaining
    assert remaining > 0
    assert float(result["weights"].sum()) == consumed * 10_000
    log = Log(Path(result.attrs["log"]), partitions=2, limit=128 << 20)
    try:
        positions = [log.join(partition, "run").offset for partition in range(2)]
        assert sum(positions) == consumed
        assert sum(log.tail(partition) for partition in range(2)) == produced
        for partition, offset in enumerate(positions):
            found: list[int] = []
            while offset + len(found) < log.tail(partition):
                with log.read(partition, offset + len(found)) as batch:
                    found += [message.header.seq for message in batch]
            # Two producers, two partitions: each partition has one producer, so its numbers lie two apart.
            first = 2 * offset + partition
            assert found == list(range(first, first + 2 * len(found), 2))
    finally:
        log.remove()


def test_a_full_log_holds_producers_back(local_pilot: Pilot) -> None:
    run = ph.streams.run(
        pilot=local_pilot, rate=None, messages=120, points=5000, clusters=300, dim=8, log_bytes=1 << 20
    )
    result = run.result(timeout=120)
    assert int(result["produced"]) == int(result["consumed"]) == 120
    assert int(result["dropped"]) == 0
    # Two partitions hold six messages each; what was consumed since a consumer's last report is counted as waiting, and
    # one of a few reports comes late.
    lag = run.telemetry["lag"]
    assert float(lag.max()) > 0
    assert float(lag.median()) < 30


def test_a_full_log_can_drop_instead_and_counts_what_it_dropped(local_pilot: Pilot) -> None:
    run = ph.streams.run(
        pilot=local_pilot, rate=None, messages=200, points=5000, clusters=1000, dim=8, log_bytes=1 << 20,
        when_full="drop",
    )  # fmt: skip
    result = run.result(timeout=120)
    assert int(result["dropped"]) > 0
    assert int(result["produced"]) + int(result["dropped"]) == 200
    assert int(result["consumed"]) == int(result["produced"])
