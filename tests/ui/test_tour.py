"""The tour, as a newcomer takes it: opened in the Lab, all cells run, everything looked at; and the page made of it."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

from tests.ui.lab_page import Lab
from tests.waiting import eventually

TOUR = Path(__file__).parents[2] / "notebooks" / "00_tour.ipynb"

# The first test runs the tour.
pytestmark = pytest.mark.timeout(600)

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

#: Canvases of Bokeh's figures that somebody would see something in: not one colour only.
DRAWN = """() => {
    const drawn = [];
    const walk = root => {
        for (const element of root.querySelectorAll("*")) {
            if (element.tagName === "CANVAS" && element.width > 200) {
                const data = element.getContext("2d").getImageData(0, 0, element.width, element.height).data;
                const colours = new Set(new Uint32Array(data.buffer));
                if (colours.size > 5) drawn.push(colours.size);
            }
            if (element.shadowRoot) walk(element.shadowRoot);
        }
    };
    walk(document);
    return drawn.length;
}"""


@pytest.fixture(scope="module")
def toured(browser: Any, server: Any) -> Iterator[tuple[Lab, nbformat.NotebookNode]]:
    """The Lab with the tour after all its cells have run, and the notebook that it has saved."""
    path = server.root / "tour.ipynb"
    shutil.copy(TOUR, path)
    lab = Lab(browser.new_page(), server)
    lab.open("tour.ipynb")
    lab.start("notebook:run-all-cells")

    def done() -> bool:
        progress = lab.page.evaluate(PROGRESS)
        if progress["errors"]:
            pytest.fail(f"the tour ended with {progress['errors']}")
        return bool(progress["left"] == 0)

    eventually(done, "the end of the tour", within=300)
    lab.do("docmanager:save")
    eventually(lambda: "outputs" in path.read_text() and text_of(saved(path), "pilot.cancel()"), "the saved notebook")
    yield lab, saved(path)
    lab.page.close()
    assert lab.errors == []


def saved(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def text_of(executed: nbformat.NotebookNode, begins: str) -> str:
    """What a cell printed and showed as plain text."""
    (cell,) = [cell for cell in executed.cells if begins in cell.source and cell.cell_type == "code"]
    return "\n".join(str(output.get("text") or output.get("data", {}).get("text/plain")) for output in cell.outputs)


def test_every_cell_runs_and_says_what_it_promises(toured: tuple[Lab, nbformat.NotebookNode]) -> None:
    executed = toured[1]
    assert "π is about 3.14" in text_of(executed, "def hits")
    counts = text_of(executed, "result = run.result()")
    produced, consumed = [int(word) for word in counts.split() if word.isdigit()]
    assert produced == consumed > 0
    assert "rmsd" in text_of(executed, "ph.md.analyse")
    assert "radius of gyration" in text_of(executed, "def spread")
    accuracy = text_of(executed, "market.post").partition("held-out digits: ")[2].partition("%")[0]
    assert float(accuracy) >= 95
    assert "balanced" in text_of(executed, 'result["ledger"]')
    assert "finished" in text_of(executed, "pilot.cancel()")


def test_the_lab_shows_its_four_pictures(toured: tuple[Lab, nbformat.NotebookNode]) -> None:
    lab = toured[0]
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
            f"the picture of cell {place}",
        )


def test_nothing_is_left_behind(toured: tuple[Lab, nbformat.NotebookNode]) -> None:
    from pilothouse.data import sweep

    assert sweep() == []


def test_the_page_shows_its_four_pictures_without_a_network(
    toured: tuple[Lab, nbformat.NotebookNode], browser: Any, tour: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "tour.html"
    path.write_text(tour.to_html(toured[1]), encoding="utf-8")
    view = browser.new_page()
    view.route(re.compile("^(http|ws)s?:"), lambda route: route.abort())
    view.goto(path.as_uri())
    view.wait_for_function("() => window.Bokeh && Bokeh.documents.length === 4", timeout=60_000)
    # the stream's picture has four charts, the others one each
    view.wait_for_function(f"() => ({DRAWN})() >= 7", timeout=60_000)
    view.close()
