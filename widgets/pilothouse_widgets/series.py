"""What is drawn of a run's telemetry: which series, in which charts, as rates and in which units.

Cells, tabs and pictures draw the same: ``charts.json`` lists the charts for Python and for the front end's
``live/figures.ts``, whose functions these mirror. ``lab_extension/test/fixtures/charts.json`` holds cases for both.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.telemetry import Floats, Frame

_LIST: dict[str, Any] = json.loads((Path(__file__).parent / "charts.json").read_text(encoding="utf-8"))

#: Seconds over which a rate is taken: shorter ones show the sampling, not the run.
RATE_SECONDS = float(_LIST["rate_seconds"])


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes
    ----------
    title, unit
        For its heading.
    time
        Shape (n,), seconds since the run's first sample.
    lines
        Label -> values, shape (n,).
    """

    title: str
    unit: str
    time: Floats
    lines: dict[str, Floats]


def rate(time: Floats, counter: Floats, seconds: float = RATE_SECONDS) -> Floats:
    """The rate of a cumulative `counter`, per second, shape (n,).

    Each value is the difference to the latest sample that is at least `seconds` older (the first sample, where there
    is no such one). A counter that goes back, or has no value, makes no rate: NaN; nor has the first sample a past.
    """
    found = np.full(len(time), np.nan)
    if len(time) < 2:
        return found
    now = np.arange(1, len(time))
    before = np.clip(np.searchsorted(time, time[1:] - seconds, side="right") - 1, 0, now - 1)
    elapsed, change = time[1:] - time[before], counter[1:] - counter[before]
    good = (elapsed > 0) & (change >= 0)
    found[1:][good] = change[good] / elapsed[good]
    return found


def charts(frame: Frame) -> list[Chart]:
    """The charts that `frame` has something to draw for: the listed ones, and one for each figure of the run's own."""
    if not len(frame.time):
        return []
    listed = {line["column"] for chart in _LIST["charts"] for line in chart["lines"]}
    own = [_own(name) for name in frame.columns if name not in listed and not name.startswith("latency_p")]
    drawn = (_drawn(chart, frame) for chart in [*_LIST["charts"], *own])
    return [chart for chart in drawn if chart is not None]


def decimate(lines: Sequence[Floats], size: int, width: int) -> npt.NDArray[np.intp]:
    """Which of `size` samples are worth drawing in `width` columns of pixels.

    Of each column of samples the first, and the lowest and highest value of each line, so that no peak is lost.
    """
    if size <= 2 * width:
        return np.arange(size)
    keep = {size - 1}
    edges = [column * size // width for column in range(width + 1)]
    for start, end in itertools.pairwise(edges):
        keep.add(start)
        for line in lines:
            part = line[start:end]
            if not np.isnan(part).all():
                keep |= {start + int(np.nanargmin(part)), start + int(np.nanargmax(part))}
    return np.array(sorted(keep))


def _drawn(chart: dict[str, Any], frame: Frame) -> Chart | None:
    """A chart in the unit that its values need; None where there is nothing to see."""
    lines = {
        line["label"]: _line(line, frame) for line in chart["lines"]
        if line.get("drawn", True) and line["column"] in frame.columns
    }  # fmt: skip
    lines = {label: values for label, values in lines.items() if np.isfinite(values).any()}
    when = chart.get("when")
    if when == "not zero":
        worth = any(values[np.isfinite(values)][-1] for values in lines.values())
    elif when == "changed":
        worth = any(np.nanmin(values) != np.nanmax(values) for values in lines.values())
    else:
        worth = bool(lines)
    if not worth:
        return None
    unit, factor = _unit(chart["unit"], max(float(np.nanmax(values)) for values in lines.values()))
    return Chart(
        chart["title"], unit, frame.time - frame.time[0], {label: values / factor for label, values in lines.items()}
    )


def _line(line: dict[str, Any], frame: Frame) -> Floats:
    values = frame.columns[line["column"]]
    shown = rate(frame.time, values) if line.get("rate") else values
    return np.asarray(shown * line.get("factor", 1.0))


def _unit(unit: str, highest: float) -> tuple[str, float]:
    """The unit in which values up to `highest` are short, and how many of `unit` it is."""
    for known in _LIST["prefixes"]:
        if known["unit"] == unit:
            steps = [at for at in range(len(known["units"])) if highest >= known["base"] ** at]
            at = max(steps, default=0)
            return known["units"][at], float(known["base"] ** at)
    return unit, 1.0


def _own(name: str) -> dict[str, Any]:
    """The chart of a figure of the run's own; how it is shown may be known from how its name ends."""
    known = next((each for each in _LIST["own"] if name.endswith(each["ending"])), None)
    ending, unit, factor = (known["ending"], known["unit"], known["factor"]) if known else ("", "", 1.0)
    label = name.removesuffix(ending).replace("_", " ")
    line = {"column": name, "label": label, "factor": factor}
    return {"title": label[:1].upper() + label[1:], "unit": unit, "lines": [line]}
