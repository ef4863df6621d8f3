"""A row of a benchmark: our figure beside a peer's from the same run, and the bound that it should hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One measurement.

    Attributes
    ----------
    metric
        What was measured, with its unit. Says so when the peer is not installed.
    ours, reference
        The two figures; None where there is no such thing.
    ratio
        `ours` over `reference`.
    bound
        The most that the ratio (without a reference: `ours`) may be; None when nothing is promised.
    holds
        Whether it is not more.
    published
        What was published of it, with the machine; never a bound. Tables without any don't have the column.
    """

    metric: str
    ours: float | None
    reference: float | None
    ratio: float | None
    bound: float | None
    holds: bool
    published: str = ""


def compare(metric: str, ours: float, reference: float, bound: float | None = None) -> Row:
    """A row in which less is better and the bound is on the ratio."""
    ratio = ours / reference
    return Row(metric, ours, reference, ratio, bound, bound is None or ratio <= bound)


def within(metric: str, ours: float, bound: float) -> Row:
    """A row without a peer: less is better and the bound is on our own figure."""
    return Row(metric, ours, None, None, bound, ours <= bound)


def missing(metric: str, peer: str) -> Row:
    """A row that says that a peer is not installed."""
    return Row(f"{metric}: {peer} is not installed", None, None, None, None, True)


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    columns = Row._fields if any(row.published for row in rows) else Row._fields[:-1]
    cells = [columns, *(tuple(_cell(value) for value in row[: len(columns)]) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    words = {0, len(Row._fields) - 1}
    return "\n".join(
        "  ".join(
            text.ljust(width) if at in words else text.rjust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float | int) else str(value)
