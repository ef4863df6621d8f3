"""What is drawn again, or goes, leaves nothing behind: BokehJS keeps documents until they are taken out."""

from __future__ import annotations

from typing import Any

import pilothouse as ph

#: How many documents BokehJS holds.
DOCUMENTS = """async () => {
    const loaded = await Promise.all(globalThis.pilothousePage.loaded.values());
    return loaded.reduce((sum, bokeh) => sum + bokeh.documents.length, 0);
}"""

CELLS = """
import numpy as np, xarray, pilothouse as ph
square = ("trajectory", "trajectory_2")
frames = np.zeros((3, 3), int)
matrix = (square, 1.0 - np.eye(3), {"units": "Å", "long_name": "Hausdorff distance"})
distances = xarray.Dataset(
    {"hausdorff": matrix, "hausdorff_frame_a": (square, frames), "hausdorff_frame_b": (square, frames)},
    coords={"trajectory": list("abc"), "trajectory_2": list("abc")},
)
"""


def test_an_open_timeline_keeps_one_document_however_often_it_is_drawn(
    lab: Any, local_pilot: ph.Pilot, eventually: Any
) -> None:
    lab.open()
    lab.do("application:close-all")
    lab.panel()
    lab.item(local_pilot.name).get_by_title("Show the timeline").click()
    plot = lab.page.locator(".pilothouse-Timeline [role=img]")
    eventually(lambda: plot.locator(".bk-Figure").count() == 1, 30, "a drawing")
    for width in (1300, 1200, 1100):
        before = plot.locator(".bk-Figure").element_handle()
        lab.page.set_viewport_size({"width": width, "height": 900})
        eventually(lambda before=before: not before.evaluate("node => node.isConnected"), 30, "another drawing")
        eventually(lambda: plot.locator(".bk-Figure").count() == 1, 30, "a drawing")
    assert lab.page.evaluate(DOCUMENTS) == 1
    lab.do("application:close-all")
    eventually(lambda: lab.page.evaluate(DOCUMENTS) == 0, 10, "its release")


def test_a_cell_run_again_keeps_one_document(lab: Any, server: Any, local_pilot: ph.Pilot, eventually: Any) -> None:
    run = local_pilot.launch("count", {"to": 3000})
    server.notebook("again.ipynb", [CELLS, "ph.md.heatmap(distances)", f"ph.attach({run.name!r})"])
    lab.open("again.ipynb")
    lab.run_cell(0)
    figures = lab.page.locator(".jp-OutputArea-output .bk-Figure")
    for index in (1, 2, 1, 2, 1):
        lab.run_cell(index)
        figures.first.wait_for(timeout=30_000)
    eventually(lambda: len(lab.windows()) == 1, 30, "one live plot")
    eventually(lambda: lab.page.evaluate(DOCUMENTS) == 2, 15, "the heat map's document, and the run's")
    heatmap = lab.page.locator('[role="figure"][aria-label^="Hausdorff distance"]')
    assert heatmap.locator(".bk-Figure").is_visible()
    assert heatmap.locator("pre").is_hidden()
    run.stop()
