"""The tour, as a newcomer takes it: opened in the Lab, all cells run, everything looked at."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest

TOUR = Path(__file__).parents[2] / "notebooks" / "00_tour.ipynb"

#: How many cells have been run, and the errors that they ended with.
PROGRESS = """() => {
    const cells = [...globalThis.jupyterapp.shell.currentWidget.content.model.cells];
    const code = cells.filter(cell => cell.type === "code");
    const errors = code.flatMap(cell => cell.toJSON().outputs).filter(({output_type}) => output_type === "error");
    return {
        left: code.filter(cell => cell.executionState !== "idle" || cell.executionCount === null).length,
        errors: errors.map(({ename, evalue}) => `${ename}: ${evalue}`),
    };
}"""

#: The places of the cells that show the numbered pictures.
PICTURES = """() => {
    const cells = [...globalThis.jupyterapp.shell.currentWidget.content.model.cells];
    return cells.flatMap((cell, at) => cell.sharedModel.getSource().startsWith("**Picture ") ? [at + 1] : []);
}"""

#: Has the notebook show one of its cells.
SCROLL = """async index => {
    const {content} = globalThis.jupyterapp.shell.currentWidget;
    content.activeCellIndex = index;
    await content.scrollToItem(index, "start");
}"""

#: How many pixels of a picture are coloured: neither white, nor black, nor grey.
COLOURED = """async picture => {
    const image = new Image();
    image.src = "data:image/png;base64," + picture;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
        const [red, green, blue] = data.slice(at, at + 3);
        count += Math.max(red, green, blue) - Math.min(red, green, blue) > 60 ? 1 : 0;
    }
    return count;
}"""


@pytest.mark.timeout(420)
def test_the_tour_runs_in_the_lab_and_shows_its_four_pictures(lab: Any, server: Any, eventually: Any) -> None:
    shutil.copy(TOUR, server.root / "tour.ipynb")
    lab.open("tour.ipynb")
    lab.start("notebook:run-all-cells")

    def done() -> bool:
        progress = lab.page.evaluate(PROGRESS)
        if progress["errors"]:
            pytest.fail(f"the tour ended with {progress['errors']}")
        return bool(progress["left"] == 0)

    eventually(done, 300, "the end of the tour")
    places = lab.page.evaluate(PICTURES)
    assert len(places) == 4
    for place in places:
        lab.page.evaluate(SCROLL, place)
        cell = lab.page.locator(f'.jp-Cell[data-windowed-list-index="{place}"]')
        plot = cell.locator(".bk-Figure").first
        plot.wait_for(state="visible", timeout=15_000)
        plot.scroll_into_view_if_needed()
        eventually(
            lambda plot=plot: lab.page.evaluate(COLOURED, base64.b64encode(plot.screenshot()).decode()) > 200,
            15,
            f"the picture of cell {place}",
        )
