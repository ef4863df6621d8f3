"""A pilot's timeline as a Bokeh figure: a row a node, a row a run, a line for each supervisor that came or went."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pilothouse.pictures import self_showing
from pilothouse.pilots.timeline import Bar, Timeline
from pilothouse_widgets.standalone import figure_mimebundle

if TYPE_CHECKING:
    from bokeh.plotting import figure

#: What a bar is called -> its colour and hatch. Told apart by colour-blind readers (Okabe and Ito) on light and on
#: dark ground; what did not go well is hatched too.
_LOOKS: dict[str, tuple[str, str]] = {
    "waiting": ("#767676", "right_diagonal_line"),
    "starting": ("#e69f00", " "),
    "running": ("#0072b2", " "),
    "finished": ("#009e73", " "),
    "failed": ("#d55e00", "cross"),
    "lost": ("#cc79a7", "dot"),
}

#: The grey that can be read on white and on black (4.5 : 1): a figure does not know the page around it.
_INK = "#767676"

#: The row above all others, with words to the lines.
_MARKS = ("", "pilot")

_ROW = 22


def timeline_mimebundle(timeline: Timeline) -> dict[str, Any]:
    """The rich display of a timeline: a figure in a page that has BokehJS, and letters everywhere."""
    try:
        return figure_mimebundle(timeline_figure(timeline), timeline.text())
    except ImportError:  # no Bokeh
        return {"text/plain": timeline.text()}


def timeline_figure(timeline: Timeline, *, width: int = 900) -> figure:
    """`timeline` as a Bokeh figure.

    Parameters
    ----------
    width
        In pixels; the height follows from the number of rows.
    """
    from bokeh.models import ColumnDataSource, DatetimeTickFormatter, FactorRange, HoverTool, Range1d
    from bokeh.plotting import figure as new_figure

    rows = [_MARKS, *dict.fromkeys(_row(bar) for bar in timeline.bars)]
    begin, end = _milliseconds(timeline.begin), _milliseconds(timeline.end)
    room = max(end - begin, 1.0) * 0.02
    plot = new_figure(
        title=f"{timeline.pilot}: nodes and runs" + (f" (without {timeline.hidden} earlier)" * bool(timeline.hidden)),
        width=width, height=_ROW * len(rows) + 130, x_axis_type="datetime", x_axis_label="time (UTC)",
        x_range=Range1d(begin - room, end + room), y_range=FactorRange(*reversed(rows), group_padding=0.6),
        tools="xpan,xwheel_zoom,xbox_zoom,reset",
    )  # fmt: skip
    for name, (colour, hatch) in _LOOKS.items():
        bars = [bar for bar in timeline.bars if look(bar) == name]
        if bars:
            plot.hbar(
                y="row", left="left", right="right", source=ColumnDataSource(_columns(bars)), name="bars",
                height=0.72, color=colour, line_color=colour, hatch_pattern=hatch, hatch_color=_over(colour),
                fill_alpha=0.25 if name == "waiting" else 1.0, hatch_alpha=0.5, hatch_scale=8, legend_label=name,
            )  # fmt: skip
    marks = ColumnDataSource({
        "x": [_milliseconds(mark.time) for mark in timeline.marks],
        "text": [mark.text for mark in timeline.marks],
        "reason": [mark.reason for mark in timeline.marks],
    })  # fmt: skip
    lines = plot.vspan(x="x", source=marks, line_color=_INK, line_width=2, line_dash="dashed", level="underlay")
    for x, text in _labels(timeline, (end - begin) * 0.15):
        plot.text(x=[x], y=[_MARKS], text=[text], x_offset=4, text_font_size="11px", text_color=_INK,
                  text_baseline="middle")  # fmt: skip
    plot.add_tools(
        HoverTool(renderers=[each for each in plot.renderers if each.name == "bars"], tooltips=[
            ("", "@name: @phase, @state"), ("from", "@left{%F %T} for @lasted"), ("job", "@job"), ("host", "@host"),
            ("reason", "@reason"),
        ], formatters={"@left": "datetime"}),
        HoverTool(renderers=[lines], tooltips=[("", "@text"), ("at", "@x{%F %T}"), ("", "@reason")],
                  formatters={"@x": "datetime"}),
    )  # fmt: skip
    plot.xaxis.formatter = DatetimeTickFormatter(
        seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M", days="%b %d",
        milliseconds="%H:%M:%S.%3N",
    )  # fmt: skip
    _paint(plot)
    return self_showing(plot, timeline.text())


def look(bar: Bar) -> str:
    """What a bar is called in the legend: the phase, and for its last one how it ended."""
    if bar.phase == "running" and bar.state.ended:
        return str(bar.state)
    if bar.state in ("failed", "lost") and bar.of == "run":
        return str(bar.state)
    return bar.phase


def _labels(timeline: Timeline, apart: float) -> list[tuple[float, str]]:
    """Words to the marks; those nearer to each other than `apart` milliseconds share a place."""
    found: list[tuple[float, str]] = []
    for mark in timeline.marks:
        x = _milliseconds(mark.time)
        if found and x - found[-1][0] < apart:
            found[-1] = found[-1][0], f"{found[-1][1]}, {mark.text}"
        else:
            found.append((x, mark.text))
    return found


def _paint(plot: figure) -> None:
    """Without a ground of its own, in a grey for light and dark pages."""
    plot.background_fill_alpha = plot.border_fill_alpha = 0
    plot.outline_line_color = None
    plot.title.text_color = _INK
    for axis in plot.axis:
        axis.axis_label_text_color = axis.major_label_text_color = _INK
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = _INK
    plot.yaxis.group_text_color = _INK
    plot.yaxis.separator_line_alpha = 0
    plot.grid.grid_line_color = _INK
    plot.grid.grid_line_alpha = 0.25
    plot.ygrid.grid_line_color = None
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    if plot.legend:
        plot.add_layout(plot.legend[0], "above")
        plot.legend.orientation = "horizontal"
        plot.legend.label_text_color = _INK
        plot.legend.background_fill_alpha = plot.legend.border_line_alpha = 0
        plot.legend.padding = plot.legend.margin = 2


def _columns(bars: list[Bar]) -> dict[str, list[Any]]:
    return {
        "row": [_row(bar) for bar in bars],
        "left": [_milliseconds(bar.begin) for bar in bars],
        "right": [_milliseconds(bar.end) for bar in bars],
        "lasted": [_lasted(bar.seconds) for bar in bars],
        **{name: [str(getattr(bar, name))[:300] for bar in bars]
           for name in ("name", "phase", "state", "job", "host", "reason")},
    }  # fmt: skip


def _row(bar: Bar) -> tuple[str, str]:
    return f"{bar.of}s", bar.name


def _milliseconds(time: datetime) -> float:
    return time.astimezone(UTC).timestamp() * 1000


def _lasted(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _over(colour: str) -> str:
    """What a hatch is drawn in: white on colours, the colour itself where the bar is pale."""
    return colour if colour == _INK else "#ffffff"
