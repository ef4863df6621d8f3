"""Python and the front end draw the same of the same telemetry: the cases are the front end's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.telemetry import Frame
from pilothouse_widgets.series import charts, decimate, rate

CASES = json.loads(
    (Path(__file__).parents[3] / "lab_extension" / "test" / "fixtures" / "charts.json").read_text(encoding="utf-8")
)


def cases(kind: str) -> Any:
    return pytest.mark.parametrize("case", CASES[kind], ids=lambda case: case["name"])


def _floats(numbers: list[float | None]) -> Any:
    return np.array(numbers, dtype=float)


@cases("rate")
def test_a_rate_is_the_front_ends(case: dict[str, Any]) -> None:
    found = rate(_floats(case["time"]), _floats(case["count"]))
    np.testing.assert_allclose(found, _floats(case["rates"]), rtol=1e-12)


@cases("charts")
def test_charts_are_the_front_ends(case: dict[str, Any]) -> None:
    columns = {name: _floats(values) for name, values in case["columns"].items()}
    found = charts(Frame(1, True, _floats(case["time"]), columns))
    assert [(chart.title, chart.unit, list(chart.lines)) for chart in found] == [
        (title, unit, list(lines)) for title, unit, lines in case["charts"]
    ]
    for chart, (_, _, lines) in zip(found, case["charts"], strict=True):
        for label, values in lines.items():
            np.testing.assert_allclose(chart.lines[label], _floats(values), rtol=1e-12)


@cases("decimate")
def test_what_is_thinned_away_is_what_the_front_end_thins_away(case: dict[str, Any]) -> None:
    lines = [_floats(values) for values in case["lines"]]
    assert decimate(lines, len(lines[0]), case["width"]).tolist() == case["kept"]
