"""A run shown in a cell: it moves, and the page can be left and come back to."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

import pilothouse as ph


@pytest.fixture
def count(local_pilot: Any) -> Any:
    run = local_pilot.launch("count", {"to": 3000})
    yield run
    run.stop()


def _moving(lab: Any, eventually: Any, views: int = 1) -> list[dict[str, float]]:
    """The windows of `views` plots, once all of them have grown since they were first seen."""
    before = eventually(lambda: len(found := lab.windows()) == views and found, 30, f"{views} plots")
    return eventually(
        lambda: (
            len(now := lab.windows()) == views
            and all(a["last"] < b["last"] for a, b in zip(before, now, strict=True))
            and now
        ),
        15,
        "movement",
    )


def test_the_plot_moves_and_survives_a_reload_and_a_second_view(
    lab: Any, server: Any, count: Any, eventually: Any
) -> None:
    path = server.notebook("live.ipynb", [f"import pilothouse as ph\nrun = ph.attach({count.name!r})\nrun", "run"])
    size = path.stat().st_size
    lab.open("live.ipynb", fresh=True)
    lab.run_cell(0)
    (window,) = _moving(lab, eventually)
    assert lab.page.locator(".pilothouse-Live-state").first.inner_text().endswith("running")

    lab.do("docmanager:save")
    eventually(lambda: "widget-view" in path.read_text(), 10, "the saved notebook")
    assert path.stat().st_size - size < 50_000
    saved = json.loads(path.read_text())["cells"][0]["outputs"][0]["data"]
    assert set(saved) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}

    lab.reload()
    (again,) = _moving(lab, eventually)
    assert again["first"] == window["first"]
    assert again["samples"] > window["samples"]

    lab.run_cell(1)
    both = _moving(lab, eventually, views=2)
    assert {view["first"] for view in both} == {window["first"]}


def test_the_plot_moves_while_the_cell_that_shows_it_works_on(
    lab: Any, server: Any, count: Any, eventually: Any
) -> None:
    server.notebook(
        "busy.ipynb",
        [f"import pilothouse as ph, time\nrun = ph.attach({count.name!r})\ndisplay(run)\ntime.sleep(600)"],
    )
    lab.open("busy.ipynb")
    lab.run_cell(0, wait=False)
    _moving(lab, eventually)
    begun = ph.attach(count.name)
    lab.page.locator(".pilothouse-Live-stop").first.click()
    eventually(lambda: begun.state.ended, 3, "the end of the run")
    eventually(lambda: "finished" in lab.page.locator(".pilothouse-Live-state").first.inner_text(), 10, "the state")
    lab.do("notebook:interrupt-kernel")


def test_a_notebook_that_is_not_trusted_shows_a_picture_of_the_run(
    lab: Any, server: Any, count: Any, eventually: Any
) -> None:
    eventually(lambda: len(count.frame().time) > 20, 15, "samples")
    path = server.notebook("stranger.ipynb", ["run"])
    notebook = nbformat.read(path, 4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", count._repr_mimebundle_())]
    nbformat.write(notebook, path)
    lab.open("stranger.ipynb")
    picture = lab.page.locator(".jp-OutputArea-output img")
    picture.wait_for(state="visible")
    assert picture.get_attribute("alt").startswith("Throughput: ")
    eventually(lambda: picture.evaluate("image => image.naturalWidth") > 250, 5, "the drawn picture")


def test_a_view_that_ipywidgets_gave_up_on_comes_after_all(lab: Any, server: Any, count: Any, eventually: Any) -> None:
    """A fake of its race: a model that is restored in the last tenth of its two seconds is said not to be there."""
    server.notebook("race.ipynb", [f"import pilothouse as ph\nph.attach({count.name!r})"])
    lab.open("race.ipynb")
    lab.run_cell(0)
    _moving(lab, eventually)
    lab.page.evaluate(
        """async () => {
            const [{outputArea}] = globalThis.jupyterapp.shell.currentWidget.content.widgets;
            const view = outputArea.widgets[0].widgets[1];
            const manager = await view._manager.promise;
            manager.get_model = async () => {
                delete manager.get_model;
                throw new Error("widget model not found");
            };
            await view.renderModel(outputArea.model.get(0));
        }"""
    )
    _moving(lab, eventually)


def test_the_notebook_of_yesterday_shows_a_picture_of_the_run_and_says_so(
    lab: Any, server: Any, count: Any, eventually: Any
) -> None:
    path = server.notebook("yesterday.ipynb", [f"import pilothouse as ph\nph.attach({count.name!r})"])
    eventually(lambda: len(count.frame().time) > 20, 15, "samples")
    lab.open("yesterday.ipynb")
    lab.run_cell(0)
    _moving(lab, eventually)
    lab.do("docmanager:save")
    eventually(lambda: "widget-view" in path.read_text(), 10, "the saved notebook")
    lab.page.evaluate("() => globalThis.jupyterapp.serviceManager.sessions.shutdownAll()")
    lab.open("yesterday.ipynb", fresh=True)
    output = lab.page.locator(".jp-OutputArea-output")
    output.get_by_text(f'As it was when this was shown; ph.attach("{count.name}") shows it as it is.').wait_for()
    assert output.locator("img").get_attribute("alt").startswith("Throughput: ")
    lab.run_cell(0)
    _moving(lab, eventually)
    assert output.locator("img").count() == 0
