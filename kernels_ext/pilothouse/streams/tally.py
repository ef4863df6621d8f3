"""The counters of a run: what its processes report, added up into samples of telemetry."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from typing import Any

from pilothouse.streams.latency import Histogram

#: Samples over which a latency percentile is taken: one second.
WINDOW = 10
QUANTILES = (50, 90, 99)
#: What is counted.
COUNTERS = ("produced", "consumed", "produced_bytes", "consumed_bytes", "dropped", "lag")


class Tally:
    """Reports are cumulative per process and survive its restart, so a process that dies is counted once.

    Parameters
    ----------
    quality
        The processor's quality figure.
    """

    def __init__(self, quality: str) -> None:
        self.quality = quality
        self.overall = Histogram()
        self.figure = math.nan
        self.warmup: dict[str, int] = {}
        self._latest: dict[str, dict[str, int]] = {}
        self._new = False
        self._silent = 0
        self._fresh = Histogram()
        self._window: deque[dict[int, int]] = deque(maxlen=WINDOW)
        self._figures = [0.0, 0]

    def report(self, process: str, values: dict[str, Any]) -> None:
        """Take in what a process reports."""
        self._new = True
        counts = values.pop("latency", {})
        self._fresh.add(counts)
        self.overall.add(counts)
        total, number = values.pop(self.quality, (0.0, 0))
        self._figures = [self._figures[0] + total, self._figures[1] + number]
        self.warmup[process] = max(self.warmup.get(process, 0), values.pop("warmup", 0))
        self._latest[process] = values

    def total(self, counter: str, without: Collection[str] = ()) -> int:
        """The sum of a counter over all processes; of what consumers count, also without those called `without`.

        What a consumer reports as its lag is of the moment of its report: one that hangs reports no more. So the lag
        of the run is what its producers, who go on, have produced, without what is consumed.
        """
        if counter == "produced":  # a consumer may have seen messages that their producer is yet to report
            return max(self._sum("produced"), self._sum("consumed") + self._sum("lag"))
        if counter == "lag":
            return self.total("produced") - self._sum("consumed")
        return self._sum(counter, without)

    def sample(self) -> dict[str, float] | None:
        """The values of a sample; None when nothing new was reported since the last one.

        A run in which nothing happens says so every `WINDOW` samples: its rates are 0, not what they were.
        """
        self._silent += 1
        if not self._new and (self._silent < WINDOW or not self._latest):
            return None
        self._new, self._silent = False, 0
        self._window.append(self._fresh.take())
        values: dict[str, float] = {name: self.total(name) for name in COUNTERS}
        recent = Histogram()
        for counts in self._window:
            recent.add(counts)
        values |= latencies(recent)
        if self._figures[1]:
            self.figure = self._figures[0] / self._figures[1]
            self._figures = [0.0, 0]
        if not math.isnan(self.figure):
            values[self.quality] = self.figure
        return values

    def _sum(self, counter: str, without: Collection[str] = ()) -> int:
        return sum(values.get(counter, 0) for name, values in self._latest.items() if name not in without)


def latencies(histogram: Histogram) -> dict[str, float]:
    """``latency_p50``, ``latency_p90``, ``latency_p99`` in seconds; empty when there was no message."""
    if not histogram.counts:
        return {}
    return {f"latency_p{q}": histogram.quantile(q / 100) for q in QUANTILES}
