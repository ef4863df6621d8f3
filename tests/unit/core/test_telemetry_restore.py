"""A run's telemetry goes on in another supervisor's store."""

from __future__ import annotations

import numpy as np

from pilothouse.telemetry import Telemetry


def filled(samples: int, capacity: int = 64) -> Telemetry:
    store = Telemetry(capacity)
    for i in range(samples):
        store.append(float(i), {"produced": float(i)})
    return store


def test_old_samples_come_first_and_new_ones_follow() -> None:
    store = Telemetry(64)
    store.restore(filled(10).since())
    store.append(10.0, {"produced": 10.0, "lag": 1.0})
    frame = store.since()
    assert frame.columns["produced"].tolist() == list(range(11))
    assert np.isnan(frame.columns["lag"][:10]).all()
    assert store.last() == {"produced": 10.0, "lag": 1.0}


def test_readers_of_the_old_store_get_everything_anew() -> None:
    old = filled(10)
    saved = old.since()
    unsaved = [old.append(float(i), {"produced": float(i)}) for i in range(10, 30)]
    store = Telemetry(64)
    store.restore(saved)
    for i in range(100):
        last = store.append(10.0 + i, {"produced": 10.0 + i})
        assert store.since(unsaved[-1]).reset
        assert not store.since(last - 1).reset
        assert store.since(last - 1).columns["produced"].tolist() == [10.0 + i]


def test_a_full_store_is_restored_and_thinned_as_ever() -> None:
    store = Telemetry(64)
    store.restore(filled(64).since())
    for i in range(64, 500):
        store.append(float(i), {"produced": float(i)})
    produced = store.since().columns["produced"]
    assert produced[0] == 0
    assert produced[-1] == 499
    assert (np.diff(produced) > 0).all()
    assert len(store) <= 64


def test_more_samples_than_there_is_room_for_lose_the_oldest() -> None:
    store = Telemetry(16)
    store.restore(filled(40).since())
    assert store.since().columns["produced"].tolist() == list(range(24, 40))


def test_nothing_saved_is_a_beginning() -> None:
    store = Telemetry(16)
    store.restore(Telemetry().since())
    assert len(store) == 0
    store.append(1.0, {"produced": 1.0})
    assert store.since().columns["produced"].tolist() == [1.0]
