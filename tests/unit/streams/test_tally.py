from __future__ import annotations

import pytest

from pilothouse.streams.tally import WINDOW, Tally


def test_reports_of_many_processes_add_up_and_a_restarted_one_counts_once() -> None:
    tally = Tally("cost")
    tally.report("producer-0", {"produced": 10, "produced_bytes": 100, "dropped": 1})
    tally.report("producer-1", {"produced": 5, "produced_bytes": 50, "dropped": 0})
    tally.report("consumer-0", {"consumed": 7, "consumed_bytes": 70, "lag": 1, "warmup": 3, "cost": [6.0, 2]})
    tally.report("producer-0", {"produced": 12, "produced_bytes": 120, "dropped": 1})  # its next life
    tally.report("consumer-0", {"consumed": 9, "consumed_bytes": 90, "lag": 8, "warmup": 0, "cost": [4.0, 2]})
    sample = tally.sample()
    assert sample == {
        "produced": 17, "consumed": 9, "produced_bytes": 170, "consumed_bytes": 90, "dropped": 1, "lag": 8, "cost": 2.5,
    }  # fmt: skip
    assert tally.warmup == {"producer-0": 0, "producer-1": 0, "consumer-0": 3}


def test_there_is_no_sample_without_news() -> None:
    tally = Tally("cost")
    assert tally.sample() is None
    tally.report("producer-0", {"produced": 1})
    assert tally.sample() is not None
    assert tally.sample() is None


def test_all_is_lag_until_a_consumer_reports() -> None:
    tally = Tally("cost")
    tally.report("producer-0", {"produced": 4})
    assert tally.total("lag") == 4


def test_lag_grows_while_a_consumer_hangs() -> None:
    tally = Tally("cost")
    tally.report("producer-0", {"produced": 10})
    tally.report("consumer-0", {"consumed": 5, "lag": 0})
    tally.report("consumer-1", {"consumed": 5, "lag": 0})  # and no more from now on
    lags = []
    for produced in (20, 30, 40):
        tally.report("producer-0", {"produced": produced})
        tally.report("consumer-0", {"consumed": produced // 2, "lag": 0})
        sample = tally.sample()
        assert sample is not None
        assert sample["lag"] == sample["produced"] - sample["consumed"]
        lags.append(sample["lag"])
    assert lags == [5, 10, 15]


def test_lag_is_never_negative() -> None:
    tally = Tally("cost")
    tally.report("consumer-0", {"consumed": 6, "lag": 1})
    assert (tally.total("produced"), tally.total("lag")) == (7, 1)
    tally.report("producer-0", {"produced": 4})
    assert (tally.total("produced"), tally.total("lag")) == (7, 1)
    tally.report("producer-0", {"produced": 9})
    assert (tally.total("produced"), tally.total("lag")) == (9, 3)


def test_a_run_in_which_nothing_happens_says_so_once_a_second() -> None:
    tally = Tally("cost")
    assert [tally.sample() for _ in range(3 * WINDOW)] == [None] * 3 * WINDOW, "nobody has reported yet"
    tally.report("producer-0", {"produced": 3})
    first, *silent = [tally.sample() for _ in range(2 * WINDOW + 1)]
    said = [sample for sample in silent if sample is not None]
    assert first is not None
    assert [sample["produced"] for sample in said] == [3, 3]


def test_messages_seen_by_consumers_before_their_producer_reports_are_produced() -> None:
    tally = Tally("cost")
    tally.report("producer-0", {"produced": 4})
    tally.report("consumer-0", {"consumed": 6, "lag": 1})
    assert tally.total("produced") == 7


def test_latency_is_of_the_last_second_and_overall_of_the_run() -> None:
    tally = Tally("cost")
    tally.report("consumer-0", {"consumed": 1, "lag": 0, "latency": {"200": 5}})
    first = tally.sample()
    assert first is not None
    for i in range(10):
        tally.report("consumer-0", {"consumed": 2 + i, "lag": 0, "latency": {"100": 1}})
        last = tally.sample()
    assert last is not None
    assert first["latency_p99"] == pytest.approx(1e-6 * 1.05**200.5)
    assert last["latency_p99"] == pytest.approx(1e-6 * 1.05**100.5)
    assert tally.overall.counts == {200: 5, 100: 10}
