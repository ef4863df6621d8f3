"""A run's telemetry as a small SVG: the picture where nothing can be live.

Exported notebooks, mails and pages without scripts show it. Bokeh's own pictures need BokehJS (1 MB a page) or a
browser that takes a photograph; a few polylines need neither, and cost 1 to 2 kB a chart. In HTML the picture is an
image: pages that don't trust a notebook take SVG's elements away and leave its words, but they show images.
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote

import numpy as np

from pilothouse.telemetry import Floats, Frame
from pilothouse_widgets.series import Chart, charts, decimate

#: Into how many columns a line is divided: of each are drawn its first, lowest and highest value.
COLUMNS = 20

#: The most charts of a picture: it stays below 8 kB.
CHARTS = 6

#: Colours that can be told apart by colour-blind readers (Okabe and Ito), on light and on dark ground.
COLOURS = ("#0b84c9", "#e08a00", "#009e73", "#cc79a7")

#: Text and axes: the grey that can be read on white and on black (4.5 : 1), for an image does not know its page.
_INK = "#767676"

_WIDTH, _HEIGHT = 290, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 6, 22, 18


def svg(frame: Frame, most: int = CHARTS) -> str:
    """`frame` as SVG text, `most` charts at most, 8 kB; the empty string when there is nothing to draw."""
    shown = charts(frame)[:most]
    if not shown:
        return ""
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    width, height = columns * _WIDTH, rows * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="10">'
    ]
    for at, chart in enumerate(shown):
        x, y = (at % columns) * _WIDTH, (at // columns) * _HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{_chart(chart)}</g>')
    parts.append("</svg>")
    return "".join(parts)


def image(frame: Frame, most: int = CHARTS) -> str:
    """`frame` as an HTML image without anything outside itself, below 10 kB; "" when there is nothing to draw."""
    drawn = svg(frame, most)
    if not drawn:
        return ""
    source = quote(drawn.replace('"', "'"), safe=" ='/:;,()!*")
    return f'<img alt="{escape(words(frame))}" style="max-width:100%" src="data:image/svg+xml,{source}">'


def words(frame: Frame) -> str:
    """The last values in `frame` in words: ``lag: 4 messages; latency: p50 3 ms, p99 8 ms``."""
    found = []
    for chart in charts(frame)[:CHARTS]:
        lasts = {label: values[np.isfinite(values)][-1:] for label, values in chart.lines.items()}
        unit = f" {chart.unit}" if chart.unit else ""
        parts = [
            f"{f'{label} ' if len(lasts) > 1 else ''}{_short(float(last[0]))}{unit}"
            for label, last in lasts.items()
            if len(last)
        ]
        found.append(f"{chart.title[:40]}: {', '.join(parts)}")
    return "; ".join(found)


def _chart(chart: Chart) -> str:
    everything = np.concatenate(list(chart.lines.values()))
    everything = everything[np.isfinite(everything)]
    low, high = min(0.0, float(everything.min())), float(everything.max())
    high = high if high > low else low + 1.0
    end = float(chart.time[-1]) or 1.0
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    bottom = _TOP + inner_height
    unit = f" ({escape(chart.unit)})" if chart.unit else ""
    parts = [
        f'<text x="{_LEFT}" y="12" font-weight="bold" fill="{_INK}">{escape(chart.title)}{unit}</text>',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="{_INK}"/>',
        _label(_LEFT - 4, _TOP + 8, _short(high), "end"),
        _label(_LEFT - 4, bottom, _short(low), "end"),
        _label(_LEFT, bottom + 12, "0", "start"),
        _label(_WIDTH - _RIGHT, bottom + 12, f"{_short(end)} s", "end"),
    ]
    for at, (label, values) in enumerate(chart.lines.items()):
        colour = COLOURS[at % len(COLOURS)]
        time, thinned = _thin(chart.time, values)
        x = _LEFT + time / end * inner_width
        y = bottom - (thinned - low) / (high - low) * inner_height
        points = " ".join(f"{a:.0f},{b:.0f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if len(chart.lines) > 1:
            right = _WIDTH - _RIGHT - 54 * (len(chart.lines) - 1 - at)
            parts.append(f'<text x="{right}" y="12" fill="{colour}" text-anchor="end">{escape(label)}</text>')
    return "".join(parts)


def _thin(time: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The samples worth drawing; those without a value are left out."""
    good = np.isfinite(values)
    time, values = time[good], values[good]
    kept = decimate([values], len(values), COLUMNS)
    return time[kept], values[kept]


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" fill="{_INK}" text-anchor="{anchor}">{text}</text>'


def _short(value: float) -> str:
    """Three digits with a metric prefix: 12.3k."""
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{sign}"
    return f"{value:.3g}"
