from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pilothouse.telemetry import CAPACITY, Frame, Telemetry, load, to_dataset


def filled(n: int, capacity: int = 64) -> Telemetry:
    telemetry = Telemetry(capacity)
    for i in range(n):
        telemetry.append(1000.0 + i, {"produced": float(i), "latency_p50": 0.001 * i, "latency_p99": 0.01 * i})
    return telemetry


def test_increments_follow_a_snapshot_without_gap_or_repetition() -> None:
    telemetry = filled(10)
    snapshot = telemetry.since()
    assert snapshot.reset
    assert snapshot.seq == 10
    telemetry.append(2000.0, {"produced": 10.0})
    increment = telemetry.since(snapshot.seq)
    assert not increment.reset
    assert increment.columns["produced"].tolist() == [10.0]
    assert len(telemetry.since(increment.seq).time) == 0


def test_a_full_store_keeps_the_whole_run_in_view_and_stays_bounded() -> None:
    telemetry = filled(10_000)
    frame = telemetry.since()
    assert len(telemetry) <= 64
    assert frame.columns["produced"][0] == 0.0
    assert frame.columns["produced"][-1] == 9999.0
    assert np.all(np.diff(frame.time) > 0)
    recent = frame.columns["produced"][-24:]
    assert np.all(np.diff(recent) == 1), "recent samples are at full rate"


def test_a_long_run_stays_evenly_in_view() -> None:
    produced = filled(100_000, capacity=4096).since().columns["produced"]
    assert len(produced) > 2048
    assert np.max(np.diff(produced)) <= 128


def test_a_reader_that_fell_behind_gets_everything_anew() -> None:
    telemetry = filled(10_000)
    assert telemetry.since(5).reset
    assert telemetry.since(20_000).reset, "a sequence number of another life"
    assert not telemetry.since(9_999).reset


@pytest.mark.parametrize("number", [10, CAPACITY, CAPACITY + 1, 9_000])
def test_what_was_saved_goes_on_where_a_reader_was_as_the_store_did(number: int) -> None:
    telemetry = filled(number, CAPACITY)
    saved = telemetry.since()
    for seq in (number, number - 1, number - 9, max(1, number - CAPACITY // 2)):
        left = saved.since(seq)
        assert not left.reset
        assert left.columns["produced"].tolist() == list(range(seq, number))
    for seq in (0, number + 1, number - CAPACITY // 2 - 1 if number > CAPACITY else 0):
        assert saved.since(seq) is saved


def test_a_variable_that_appears_late_is_nan_before() -> None:
    telemetry = filled(3)
    telemetry.append(1003.0, {"produced": 3.0, "cost": 7.0})
    frame = telemetry.since()
    assert np.isnan(frame.columns["cost"][:3]).all()
    assert frame.columns["cost"][3] == 7.0
    assert np.isnan(frame.columns["latency_p50"][3])


def test_frames_survive_the_wire_and_the_disk(tmp_path: Path) -> None:
    telemetry = filled(100)
    frame = telemetry.since()
    copy = Frame.decode(frame.encode())
    assert (copy.seq, copy.reset, list(copy.columns)) == (frame.seq, frame.reset, list(frame.columns))
    np.testing.assert_array_equal(copy.columns["latency_p99"], frame.columns["latency_p99"])
    telemetry.save(tmp_path / "telemetry.bin")
    np.testing.assert_array_equal(load(tmp_path / "telemetry.bin").time, frame.time)
    assert len(load(tmp_path / "nothing.bin").time) == 0


def test_the_dataset_has_the_public_names_and_units() -> None:
    dataset = to_dataset(filled(5).since(), {"run": "x"})
    assert dataset.time.dtype == "datetime64[ns]"
    assert str(dataset.time.values[0]).startswith("1970-01-01T00:16:40")
    assert dataset.latency.dims == ("time", "quantile")
    assert dataset["quantile"].values.tolist() == [0.5, 0.99]
    assert dataset.latency.attrs["units"] == "s"
    assert dataset.produced.attrs["units"] == "messages"
    assert dataset.latency.sel(quantile=0.99).values[-1] == 0.04
