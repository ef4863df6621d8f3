"""What is drawn of telemetry where nothing is live."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.telemetry import Frame, to_dataset
from pilothouse_widgets import figure
from pilothouse_widgets.picture import svg
from pilothouse_widgets.series import charts, rate


def _frame(n: int = 4096, **extra: np.ndarray) -> Frame:
    time = 1.7e9 + np.arange(n) / 10
    columns = {
        "produced": np.arange(n) * 20.0,
        "consumed": np.maximum(np.arange(n) * 20.0 - 50, 0),
        "lag": np.full(n, 50.0),
        "latency_p50": np.full(n, 0.01),
        "latency_p99": np.full(n, 0.05),
        "cost": 100 / (1 + np.arange(n)),
    }
    return Frame(n, True, time, columns | extra)


def test_a_rate_is_the_increase_over_the_window_whatever_the_sampling() -> None:
    time = np.array([0.0, 0.1, 0.2, 1.0, 1.5, 10.0])
    found = rate(time, 7 * time)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], 7)


@pytest.mark.parametrize("n", [0, 1])
def test_there_is_no_rate_without_a_past(n: int) -> None:
    assert np.isnan(rate(np.zeros(n), np.zeros(n))).all()


def test_charts_are_throughput_lag_latency_and_the_runs_own_figures() -> None:
    found = charts(_frame())
    assert [(chart.title, list(chart.lines)) for chart in found] == [
        ("Throughput", ["produced", "consumed"]),
        ("Lag", ["waiting"]),
        ("Latency", ["p50", "p99"]),
        ("Cost", ["cost"]),
    ]
    np.testing.assert_allclose(found[0].lines["produced"][1:], 200, rtol=1e-5)
    np.testing.assert_allclose(found[2].lines["p99"], 50)  # ms


def test_the_svg_is_small_and_well_formed_however_long_the_run() -> None:
    text = svg(_frame())
    assert len(text) < 8_000
    lines = ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}polyline")
    assert len(list(lines)) == 6


def test_names_in_telemetry_can_not_break_out_of_the_svg() -> None:
    text = svg(_frame(50, **{"<script>alert(1)</script>": np.ones(50)}))
    assert "<script>" not in text
    ElementTree.fromstring(text)


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_samples_without_a_value_are_left_out(hole: float) -> None:
    cost = np.ones(50)
    cost[10:20] = hole
    text = svg(_frame(50, cost=cost))
    assert "nan" not in text
    assert "inf" not in text
    assert "Cost" in text


def test_no_samples_no_picture() -> None:
    assert svg(Frame(0, True, np.zeros(0), {})) == ""
    assert svg(Frame(1, True, np.ones(1), {"produced": np.ones(1)})) == ""  # a rate needs two


def test_the_bokeh_figure_draws_what_the_dataset_holds() -> None:
    layout = figure(to_dataset(_frame(100)))
    plots = [child for child, *_ in layout.children]
    assert [plot.title.text for plot in plots] == [
        "Throughput (messages/s)", "Lag (messages)", "Latency (ms)", "Cost",
    ]  # fmt: skip
    source = plots[2].renderers[1].data_source
    np.testing.assert_allclose(source.data["y"], 50)
    assert len({plot.x_range.id for plot in plots}) == 1


def test_a_dataset_without_samples_is_refused() -> None:
    with pytest.raises(InvalidInput, match="sample") as caught:
        figure(to_dataset(Frame(0, True, np.zeros(0), {})))
    assert caught.value.field == "dataset"
    with pytest.raises(InvalidInput, match="time"):
        import xarray

        figure(xarray.Dataset())
