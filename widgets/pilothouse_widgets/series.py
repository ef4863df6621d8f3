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
    """The charts that `frame` has data for: the listed ones, and one for each figure of the run's own."""
    if not len(frame.time):
        return []
    time = frame.time - frame.time[0]
    columns = frame.columns
    found: list[Chart] = []
    for chart in _LIST["charts"]:
        lines = {line["label"]: _line(line, frame) for line in chart["lines"] if _has(columns.get(line["column"]))}
        if lines and not (chart.get("unless_zero") and not any(_last(values) for values in lines.values())):
            found.append(Chart(chart["title"], chart["unit"], time, lines))
    listed = {line["column"] for chart in _LIST["charts"] for line in chart["lines"]}
    for name, values in columns.items():
        if name not in listed and not name.startswith("latency_p") and _has(values):
            found.append(_own(name, time, values))
    return [chart for chart in found if any(_has(values) for values in chart.lines.values())]


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


def _line(line: dict[str, Any], frame: Frame) -> Floats:
    values = frame.columns[line["column"]]
    shown = rate(frame.time, values) if line.get("rate") else values
    return np.asarray(shown * line.get("factor", 1.0))


def _own(name: str, time: Floats, values: Floats) -> Chart:
    """A figure of the run's own; how it is shown may be known from how its name ends."""
    known = next((each for each in _LIST["own"] if name.endswith(each["ending"])), None)
    ending, unit, factor = (known["ending"], known["unit"], known["factor"]) if known else ("", "", 1.0)
    label = name.removesuffix(ending).replace("_", " ")
    return Chart(label[:1].upper() + label[1:], unit, time, {label: values * factor})


def _has(values: Floats | None) -> bool:
    return values is not None and bool(np.isfinite(values).any())


def _last(values: Floats) -> float:
    """The latest value that is a number."""
    return float(values[np.isfinite(values)][-1])
