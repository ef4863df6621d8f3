"""Hadoop on HPC then and now, in one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.hadoop_on_hpc import published
from pilothouse.pictures import self_showing

if TYPE_CHECKING:
    from bokeh.plotting import figure as figure_type

    from benchmarks.hadoop_on_hpc.measuring import Measured

THEN, NOW, KERNEL = "#9aa5b1", "#1f77b4", "#d62728"


def completion(measured: Sequence[Measured]) -> figure_type:
    """Time to completion on a logarithmic axis: the paper's ranges, and each of our scenarios."""
    from bokeh.models import FactorRange, HoverTool
    from bokeh.plotting import figure

    there = [way for way in measured if way.cases]
    then = {name: [s for line in table for s in line] for name, table in published.COMPLETION.items()}
    rows = [*then, *(way.title for way in there)]
    made = figure(
        y_range=FactorRange(*reversed(rows)), x_axis_type="log", height=120 + 28 * len(rows), width=860,
        x_axis_label="seconds to completion, two iterations", toolbar_location=None, tools="",
        title="K-means of Hadoop on HPC: bars 8-32 cores, 2016; dots here, two cores",
    )  # fmt: skip
    bars = made.hbar(
        y="way", left="left", right="right", height=0.5, color=THEN,
        source={"way": list(then), "left": [min(s) for s in then.values()], "right": [max(s) for s in then.values()]},
    )  # fmt: skip
    cases = [(way.title, problem.title, case) for way in there for problem, case in way.cases.items()]
    dots = made.scatter(
        x="whole", y="way", size=11, color=NOW, legend_label="here, points loaded",
        source={
            "way": [title for title, _, _ in cases], "scenario": [scenario for _, scenario, _ in cases],
            "whole": [case.whole for _, _, case in cases], "kernel": [case.kernel for _, _, case in cases],
        },
    )  # fmt: skip
    made.scatter(
        x="kernel", y="way", size=16, marker="dash", angle=math.pi / 2, color=KERNEL, line_width=2,
        legend_label="the kernel alone", source=dots.data_source,
    )  # fmt: skip
    made.add_tools(
        HoverTool(renderers=[bars], tooltips=[("", "@way"), ("s", "@left - @right")]),
        HoverTool(
            renderers=[dots], tooltips=[("", "@way, @scenario"), ("s", "@whole{0.00}"), ("kernel", "@kernel{0.00}")]
        ),
    )
    made.legend.location = "top_left"
    lines = [f"{title}, {scenario}: {case.whole:.3g} s" for title, scenario, case in cases]
    lines += [f"{name}: {published.range_of(seconds)}" for name, seconds in then.items()]
    return self_showing(made, "\n".join(lines))
