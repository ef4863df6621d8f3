"""Pictures of results, in Bokeh: they show in a cell, on a page, on light and on dark ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.errors import InvalidInput
from pilothouse.pictures import self_showing

if TYPE_CHECKING:
    import xarray
    from bokeh.plotting import figure

#: Text and lines that can be read on white and on black.
_GREY = "#8a8a8a"
#: Up to this many trajectories, each cell shows its number.
_ANNOTATED = 16


def heatmap(dataset: xarray.Dataset, variable: str | None = None, *, order: bool = True) -> figure:
    """A matrix of distances as a picture: colour, number, and on hover the pair and its deciding frames.

    Parameters
    ----------
    dataset
        From ``ph.md.psa``.
    variable
        ``"hausdorff"`` or ``"frechet"``; by default the one that was asked for.
    order
        Put similar trajectories next to each other, by hierarchical clustering (average linkage) where SciPy is
        there; else in the order given.

    Returns
    -------
    bokeh.plotting.figure
        It shows itself in a cell, and is for ``bokeh.embed.file_html`` and the like. Colours are Cividis, which
        people see alike with and without colour blindness.

    Raises
    ------
    InvalidInput
        `dataset` has no such square matrix.
    """
    from bokeh.models import BasicTicker, ColorBar, ColumnDataSource, HoverTool, LinearColorMapper
    from bokeh.palettes import Cividis256
    from bokeh.plotting import figure

    name = variable or ("frechet" if "frechet" in dataset else "hausdorff")
    if name not in dataset or dataset[name].dims != ("trajectory", "trajectory_2"):
        known = [key for key in dataset if dataset[key].dims == ("trajectory", "trajectory_2")]
        raise InvalidInput(
            f"variable={name!r}: no matrix (trajectory, trajectory_2) of that name; there are {known}", field="variable"
        )
    values = np.asarray(dataset[name])
    labels = [str(label) for label in dataset["trajectory"].values]
    shown = [labels[i] for i in (_similar_first(values) if order else range(len(labels)))]
    place = {label: i for i, label in enumerate(labels)}
    rows, columns = zip(*[(place[a], place[b]) for a in shown for b in shown], strict=True)
    low, high = float(values.min()), float(values.max())
    cells = values[list(rows), list(columns)]
    source = ColumnDataSource({
        "a": [labels[i] for i in rows],
        "b": [labels[j] for j in columns],
        "value": cells,
        "text": [f"{value:.2f}" for value in cells],
        "ink": ["#ffffff" if value < low + 0.55 * (high - low) else "#000000" for value in cells],
        "frame_a": np.asarray(dataset["hausdorff_frame_a"])[list(rows), list(columns)],
        "frame_b": np.asarray(dataset["hausdorff_frame_b"])[list(rows), list(columns)],
    })  # fmt: skip
    units = dataset[name].attrs.get("units", "")
    title = dataset[name].attrs.get("long_name", name)
    plot = figure(
        x_range=shown, y_range=shown[::-1], width=620, height=540, title=f"{title}, {units}",
        tools="pan,wheel_zoom,box_zoom,reset,save", toolbar_location="above",
        background_fill_color=None, border_fill_color=None,
    )  # fmt: skip
    colours = LinearColorMapper(palette=Cividis256, low=low, high=high if high > low else low + 1)
    cell = plot.rect(
        "b", "a", 1, 1, source=source, line_color=None, fill_color={"field": "value", "transform": colours}
    )
    if len(labels) <= _ANNOTATED:
        plot.text(
            "b", "a", text="text", source=source, text_color="ink", text_align="center", text_baseline="middle",
            text_font_size="9px" if len(labels) > 8 else "12px",
        )  # fmt: skip
    tips = [("pair", "@a – @b"), (name, f"@value{{0.0000}} {units}")]
    if name == "hausdorff":
        tips.append(("deciding frames", "@frame_a – @frame_b"))
    plot.add_tools(HoverTool(renderers=[cell], tooltips=tips))
    bar = ColorBar(color_mapper=colours, ticker=BasicTicker(), title=units, background_fill_color=None)
    plot.add_layout(bar, "right")
    _grey(plot, bar)
    text = f"{title} of {len(labels)} trajectories: {low:.3g} to {high:.3g} {units}".rstrip()
    return self_showing(plot, text)


def _grey(plot: Any, bar: Any) -> None:
    plot.grid.grid_line_color = None
    plot.outline_line_color = None
    plot.title.text_color = _GREY
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_line_color = None
        axis.major_tick_line_color = _GREY
        axis.major_label_text_color = _GREY
    plot.xaxis.major_label_orientation = 0.9
    bar.major_label_text_color = bar.title_text_color = _GREY


def _similar_first(values: Any) -> list[int]:
    try:
        from scipy.cluster.hierarchy import leaves_list, linkage
        from scipy.spatial.distance import squareform
    except ImportError:
        return list(range(len(values)))
    if len(values) < 3:
        return list(range(len(values)))
    condensed = squareform(values, checks=False)
    return [int(i) for i in leaves_list(linkage(condensed, method="average", optimal_ordering=True))]
