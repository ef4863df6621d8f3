"""A run's telemetry as a Bokeh layout, for cells, ``bokeh.io.show``, exports and one's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.pictures import self_showing
from pilothouse.telemetry import Frame
from pilothouse_widgets.picture import COLOURS, words
from pilothouse_widgets.series import charts

if TYPE_CHECKING:
    import xarray
    from bokeh.models import GridPlot


def figure(dataset: xarray.Dataset, *, width: int = 420, height: int = 240) -> GridPlot:
    """The charts of a telemetry dataset, two beside each other, with a common time axis.

    Parameters
    ----------
    dataset
        What ``run.telemetry`` gives: dimension ``time``; counters, ``lag``, ``latency`` (time, quantile) and the
        run's own quality figures.
    width, height
        Of one chart, in pixels.

    Returns
    -------
    bokeh.models.GridPlot
        Throughput, lag, latency and the run's own figures, as far as the dataset has them.

    Raises
    ------
    InvalidInput
        There is no sample to draw, or no dimension ``time``.
    """
    from bokeh.layouts import gridplot
    from bokeh.models import Range1d
    from bokeh.plotting import figure as new_figure

    from pilothouse.errors import InvalidInput

    if "time" not in dataset.dims:
        raise InvalidInput(f"dataset has dimensions {tuple(dataset.dims)}: telemetry has 'time'", field="dataset")
    frame = _frame(dataset)
    shown = charts(frame)
    if not shown:
        raise InvalidInput("dataset has no sample to draw yet", field="dataset")
    common = Range1d(0, float(shown[0].time[-1]) or 1.0)
    plots = []
    for chart in shown:
        plot = new_figure(
            title=f"{chart.title} ({chart.unit})" if chart.unit else chart.title,
            width=width, height=height, x_range=common, x_axis_label="time (s)",
            tools="pan,box_zoom,wheel_zoom,reset,hover", tooltips=[("time", "$x s"), (chart.title, "$y")],
        )  # fmt: skip
        plot.toolbar.logo = None
        plot.toolbar.autohide = True
        for at, (label, values) in enumerate(chart.lines.items()):
            legend: dict[str, Any] = {"legend_label": label} if len(chart.lines) > 1 else {}
            plot.line(chart.time, values, line_width=2, color=COLOURS[at % len(COLOURS)], **legend)
        if len(chart.lines) > 1:
            plot.legend.location = "top_left"
            plot.legend.background_fill_alpha = 0.5
        plots.append(plot)
    return self_showing(gridplot(plots, ncols=2, toolbar_location="right"), words(frame))


def _frame(dataset: xarray.Dataset) -> Frame:
    time = dataset["time"].to_numpy().astype("datetime64[ns]").astype("int64") / 1e9
    columns: dict[str, Any] = {}
    for name, values in dataset.data_vars.items():
        if name == "latency":
            for quantile in dataset["quantile"].to_numpy():
                columns[f"latency_p{quantile * 100:g}"] = values.sel(quantile=quantile).to_numpy()
        elif values.dims == ("time",) and np.issubdtype(values.dtype, np.number):
            columns[str(name)] = values.to_numpy().astype(float)
    return Frame(len(time), True, time, columns)
