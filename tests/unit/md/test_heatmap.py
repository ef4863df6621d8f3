"""The picture of a distance matrix: ordered, annotated, readable, and a static page of its own."""

from __future__ import annotations

import numpy as np
import pytest
import xarray

from pilothouse.errors import InvalidInput
from pilothouse.md import heatmap


def _distances(n: int = 4) -> xarray.Dataset:
    places = np.array([0.0, 10.0, 1.0, 11.0, 5.0, 6.0, 2.0, 3.0] * 3)[:n]
    both = ("trajectory", "trajectory_2")
    labels = [f"path <{i}>" for i in range(n)]
    values = abs(places[:, None] - places[None, :])
    frames = np.arange(n * n).reshape(n, n)
    return xarray.Dataset(
        {
            "hausdorff": (both, values, {"units": "Å", "long_name": "Hausdorff distance"}),
            "hausdorff_frame_a": (both, frames),
            "hausdorff_frame_b": (both, frames.T),
        },
        coords={"trajectory": labels, "trajectory_2": labels},
    )


def test_similar_trajectories_are_neighbours() -> None:
    pytest.importorskip("scipy")
    order = list(heatmap(_distances()).x_range.factors)
    assert abs(order.index("path <0>") - order.index("path <2>")) == 1
    assert abs(order.index("path <1>") - order.index("path <3>")) == 1
    assert list(heatmap(_distances(), order=False).x_range.factors) == [f"path <{i}>" for i in range(4)]


def test_every_cell_shows_its_own_number_and_frames() -> None:
    plot = heatmap(_distances())
    source = plot.renderers[0].data_source.data
    distances = _distances()
    for a, b, value, text, frame in zip(
        source["a"], source["b"], source["value"], source["text"], source["frame_a"], strict=True
    ):
        cell = distances.sel(trajectory=a, trajectory_2=b)
        assert value == float(cell.hausdorff)
        assert text == f"{value:.2f}"
        assert frame == int(cell.hausdorff_frame_a)
    assert len(plot.renderers) == 2
    assert len(heatmap(_distances(20)).renderers) == 1  # too many to read


def test_it_is_a_page_of_its_own_and_has_no_ground_colour() -> None:
    from bokeh.embed import file_html

    plot = heatmap(_distances())
    assert "Bokeh" in file_html(plot)
    assert plot.background_fill_color is None
    assert plot.border_fill_color is None


def test_equal_paths_can_be_shown() -> None:
    same = _distances() * 0
    assert heatmap(same).renderers


def test_a_dataset_without_such_a_matrix() -> None:
    with pytest.raises(InvalidInput, match="variable='rmsd'"):
        heatmap(_distances(), "rmsd")
