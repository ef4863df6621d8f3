"""Latency in a histogram with bins of equal ratio: any percentile within 2.5 %, in a few kilobytes."""

from __future__ import annotations

import math
from collections.abc import Mapping

#: Lower edge of the first bin (s), and the ratio of one bin to the next.
FLOOR = 1e-6
RATIO = 1.05
_STEP = math.log(RATIO)


def bin_of(seconds: float) -> int:
    """The bin that counts a latency of `seconds`."""
    return int(math.log(seconds / FLOOR) / _STEP) if seconds > FLOOR else 0


class Histogram:
    """Counts per bin. Histograms of many consumers, or of many moments, add up."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def record(self, seconds: float) -> None:
        """Count one latency."""
        index = bin_of(seconds)
        self.counts[index] = self.counts.get(index, 0) + 1

    def add(self, counts: Mapping[int, int] | Mapping[str, int]) -> None:
        """Add counts; keys may be strings, as JSON makes them."""
        for index, count in counts.items():
            self.counts[int(index)] = self.counts.get(int(index), 0) + count

    def take(self) -> dict[int, int]:
        """The counts so far, leaving none."""
        counts, self.counts = self.counts, {}
        return counts

    def quantile(self, q: float) -> float:
        """The latency (s) that a fraction `q` did not exceed; NaN when nothing was counted."""
        total = sum(self.counts.values())
        wanted = q * total
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= wanted:
                return FLOOR * float(RATIO ** (index + 0.5))
        return math.nan
