from __future__ import annotations

import math

import numpy as np
import pytest

from pilothouse.streams.latency import Histogram


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_quantiles_are_within_the_bins_of_the_exact_ones(q: float) -> None:
    values = np.random.default_rng(3).lognormal(-6, 1.5, 20_000)
    histogram = Histogram()
    for value in values:
        histogram.record(float(value))
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    assert histogram.quantile(q) == pytest.approx(exact, rel=0.026)


def test_parts_add_up_even_through_json() -> None:
    whole, first, second = Histogram(), Histogram(), Histogram()
    for i in range(1, 1000):
        whole.record(i / 1000)
        (first if i % 3 else second).record(i / 1000)
    total = Histogram()
    total.add({str(key): count for key, count in first.take().items()})
    total.add(second.take())
    assert total.counts == whole.counts
    assert first.counts == {}


def test_nothing_counted_is_not_a_number_and_zero_latency_is_counted() -> None:
    histogram = Histogram()
    assert math.isnan(histogram.quantile(0.5))
    histogram.record(0.0)
    assert histogram.quantile(0.99) < 2e-6
