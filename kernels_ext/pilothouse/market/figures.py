"""Pictures of the market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.pictures import self_showing

if TYPE_CHECKING:
    from pilothouse.runs.handle import Run


def accuracy_figure(job: Run) -> Any:
    """Accuracy on the held-out part and test money paid, by round.

    Parameters
    ----------
    job
        A run of kind ``training``, going on or ended.

    Returns
    -------
    bokeh.plotting.figure
        Accuracy (left axis, line) and cumulative payment in sat (right axis, bars). It shows itself in a cell.
    """
    from bokeh.models import LinearAxis, Range1d
    from bokeh.plotting import figure

    frame = job.frame()
    empty = np.zeros(0)
    rounds, accuracy, paid = (frame.columns.get(name, empty) for name in ("round", "accuracy", "paid_msat"))
    sat = paid / 1000
    picture = figure(
        title=f"{job.name}: accuracy and payment",
        x_axis_label="round",
        y_axis_label="accuracy on held-out data",
        y_range=Range1d(0, 1.02),
        width=640,
        height=320,
        toolbar_location=None,
    )
    picture.extra_y_ranges = {"sat": Range1d(0, 1.1 * max(float(sat.max(initial=0)), 1.0))}
    picture.add_layout(LinearAxis(y_range_name="sat", axis_label="paid (test sat)"), "right")
    picture.vbar(
        x=rounds, top=sat, width=0.5, y_range_name="sat", fill_color="#f0a330", fill_alpha=0.5, line_color=None,
        legend_label="paid",
    )  # fmt: skip
    picture.line(rounds, accuracy, line_width=2.5, color="#2a6f97", legend_label="accuracy")
    picture.scatter(rounds, accuracy, size=7, color="#2a6f97", legend_label="accuracy")
    picture.xaxis.ticker = [int(number) for number in rounds]
    picture.legend.location = "bottom_right"
    spent = f"{float(sat.max(initial=0)):g} sat"
    reached = f"{accuracy[-1]:.3f} after {len(rounds)} rounds, for {spent}" if len(accuracy) else "no round yet"
    return self_showing(picture, f"accuracy of {job.name}: {reached}")
