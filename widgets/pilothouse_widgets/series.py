"""What is drawn of a run's telemetry: which series, in which charts, as rates and in which units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilothouse.telemetry import Floats, Frame

#: Seconds over which a rate is taken: shorter ones show the sampling, not the run.
WINDOW = 1.0

_COUNTERS = {"produced", "consumed", "produced_bytes", "consumed_bytes", "dropped"}


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


def rate(time: Floats, counter: Floats, window: float = WINDOW) -> Floats:
    """Increase of a cumulative `counter` per second over the last `window` seconds, shape (n,).

    The first sample has no past: its rate is NaN.
    """
    if len(time) < 2:
        return np.full(len(time), np.nan)
    before = np.searchsorted(time, time - window)
    before = np.minimum(before, np.maximum(np.arange(len(time)) - 1, 0))
    elapsed = time - time[before]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(elapsed > 0, (counter - counter[before]) / elapsed, np.nan)
    return found


def charts(frame: Frame) -> list[Chart]:
    """The charts of `frame`: throughput, lag, latency and one for each quality figure of the run's own."""
    if not len(frame.time):
        return []
    time = frame.time - frame.time[0]
    columns = frame.columns
    found: list[Chart] = []
    flow: dict[str, Floats] = {name: rate(time, columns[name]) for name in ("produced", "consumed") if name in columns}
    if flow:
        found.append(Chart("throughput", "messages/s", time, flow))
    if "lag" in columns:
        found.append(Chart("lag", "messages", time, {"lag": columns["lag"]}))
    quantiles = sorted(name for name in columns if name.startswith("latency_p"))
    if quantiles:
        lines = {name.removeprefix("latency_"): columns[name] * 1e3 for name in quantiles}
        found.append(Chart("latency", "ms", time, lines))
    known = {*_COUNTERS, "lag", *quantiles}
    found += [_own(name, time, columns[name]) for name in columns if name not in known]
    return [chart for chart in found if any(np.isfinite(values).any() for values in chart.lines.values())]


def _own(name: str, time: Floats, values: Floats) -> Chart:
    """A figure of the run's own: money, whose name ends in ``_msat``, is shown in sat."""
    title = name.removesuffix("_msat")
    unit, scale = ("sat", 1e-3) if title != name else ("", 1.0)
    return Chart(title, unit, time, {title: values * scale})
