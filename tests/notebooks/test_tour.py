"""The tour runs, by itself, and the page it makes needs nobody: four pictures, no network."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "notebooks" / "00_tour.ipynb"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

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
def tour() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tour", ROOT / "notebooks" / "tour.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def executed(tour: ModuleType) -> nbformat.NotebookNode:
    return tour.execute(TOUR)


@pytest.fixture(scope="module")
def page(tour: ModuleType, executed: nbformat.NotebookNode, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tour") / "tour.html"
    path.write_text(tour.to_html(executed), encoding="utf-8")
    return path


def text_of(executed: nbformat.NotebookNode, begins: str) -> str:
    (cell,) = [cell for cell in executed.cells if begins in cell.source and cell.cell_type == "code"]
    return "\n".join(str(output.get("text") or output.get("data", {}).get("text/plain")) for output in cell.outputs)


def test_the_stored_notebook_holds_no_outputs() -> None:
    for cell in nbformat.read(TOUR, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_every_cell_runs_and_says_what_it_promises(executed: nbformat.NotebookNode) -> None:
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


def test_nothing_is_left_behind(executed: nbformat.NotebookNode) -> None:
    from pilothouse.data import sweep

    assert sweep() == []


@pytest.mark.ui
def test_the_page_shows_its_four_pictures_without_a_network(page: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing")
        pytest.skip("chromium is missing")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        view = browser.new_context(offline=True).new_page()
        view.goto(page.as_uri())
        view.wait_for_function("() => window.Bokeh && Bokeh.documents.length === 4", timeout=60_000)
        # the stream's picture has four charts, the others one each
        view.wait_for_function(f"() => ({DRAWN})() >= 7", timeout=60_000)
        browser.close()
