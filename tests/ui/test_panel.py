"""The side bar: it knows what others did, and others know what it did."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pilothouse as ph
from tests.ui.lab_page import FOCUSED

BUSY = "import time; time.sleep(600)"

#: How many documents Bokeh holds in memory.
DOCUMENTS = """async () => {
    const [bokeh] = await Promise.all(globalThis.pilothousePage.loaded.values());
    return bokeh.documents.length;
}"""


def test_panel_kernel_and_shell_see_each_others_pilots(lab: Any, server: Any, eventually: Any) -> None:
    server.notebook(
        "kernel.ipynb",
        [
            "import pilothouse as ph",
            "pilot = ph.submit('local', name='kernel')",
            "print([p.name for p in ph.pilots()])",
        ],
    )
    lab.open("kernel.ipynb")
    lab.panel()
    lab.run_cell(0)
    lab.run_cell(1)
    _seen_soon(lab, "kernel")

    code = "import pilothouse as ph; ph.submit('local', name='shell')"
    subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=True)
    _seen_soon(lab, "shell")

    lab.start("pilothouse:new-pilot")
    form = lab.page.locator(".pilothouse-PilotForm")
    form.wait_for()
    _field(form, "Name").fill("panel")
    lab.page.get_by_role("button", name="Start", exact=True).click()
    eventually(lambda: "panel" in [pilot.name for pilot in ph.pilots()], 10, "the panel's pilot")
    lab.run_cell(2)
    output = lab.page.locator(".jp-OutputArea-output").last.inner_text()
    assert all(name in output for name in ("kernel", "shell", "panel"))

    for name in ("kernel", "shell", "panel"):
        ph.attach(name).cancel()
    eventually(lambda: all(lab.item(name).is_hidden() for name in ("kernel", "shell", "panel")), 10, "their end")


def _field(form: Any, name: str) -> Any:
    """A field of the form, found by its label as screen readers find it."""
    return form.get_by_label(name, exact=True)


def _seen_soon(lab: Any, name: str) -> None:
    """By the server's events, before the panel asks for its lists again."""
    lab.item(name).wait_for(state="visible", timeout=10_000)


def test_extend_and_stop_work_while_a_cell_is_busy(lab: Any, server: Any, local_pilot: Any, eventually: Any) -> None:
    run = local_pilot.launch("count", {"to": 3000})
    server.notebook("blocked.ipynb", [BUSY])
    lab.open("blocked.ipynb")
    lab.run_cell(0, wait=False)
    lab.page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="busy"]')
    lab.panel()
    wanted = local_pilot.record.nodes_wanted
    lab.item(local_pilot.name).get_by_title("Add a node").click()
    eventually(lambda: local_pilot.record.nodes_wanted == wanted + 1, 3, "the extension")
    lab.item(local_pilot.name).get_by_title("Remove a node").click()
    eventually(lambda: local_pilot.record.nodes_wanted == wanted, 3, "the shrinking")
    lab.item(run.name).get_by_title("Stop the run").click()
    eventually(lambda: run.state.ended, 3, "the end of the run")
    lab.do("notebook:interrupt-kernel")


def test_of_several_kinds_of_nodes_the_user_chooses_one_by_keyboard(lab: Any, eventually: Any) -> None:
    with ph.submit("local", name="sorted", nodes=1, kinds={"big": {"nodes": 1}}) as pilot:
        lab.open()
        lab.panel()
        dialog = lab.page.get_by_role("dialog")

        lab.item("sorted").get_by_title("Add a node").press("Enter")
        big = dialog.get_by_role("button", name="big")
        big.focus()
        lab.take_focus()
        assert big.evaluate(FOCUSED), "Enter means what was chosen"
        lab.page.keyboard.press("Enter")
        eventually(lambda: pilot.record.wanted == {"node": 1, "big": 2}, 10, "one more of that kind")

        lab.item("sorted").get_by_title("Remove a node").press("Enter")
        dialog.get_by_role("button", name="node").wait_for()
        assert "Remove a node from sorted" in dialog.inner_text()
        lab.page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
        assert pilot.record.nodes_wanted == 3


def test_a_run_opens_as_a_tab_whose_plot_moves(lab: Any, local_pilot: Any, eventually: Any) -> None:
    run = local_pilot.launch("count", {"to": 3000})
    lab.open()
    lab.panel()
    lab.item(run.name).get_by_role("button", name=run.name, exact=True).click()
    (before,) = eventually(lab.windows, 30, "the plot")
    eventually(lambda: lab.windows()[0]["last"] > before["last"], 10, "movement")
    run.stop()
    tab = lab.page.locator(".pilothouse-RunPlots .pilothouse-Live-state")
    eventually(lambda: "finished" in tab.inner_text(), 10, "the end")


def test_an_ended_run_is_removed_after_a_yes(lab: Any, local_pilot: Any, eventually: Any) -> None:
    run = local_pilot.launch("count", {"to": 1})
    run.wait(timeout=60)
    lab.open()
    lab.panel()
    lab.page.locator(".pilothouse-Ended summary", has_text="ended run").click()
    lab.item(run.name).get_by_title("Remove the run").click()
    lab.page.keyboard.press("Enter")  # what is harmless has the focus
    lab.page.locator(".jp-Dialog").wait_for(state="detached")
    assert run.state == "finished"
    lab.item(run.name).get_by_title("Remove the run").click()
    lab.page.get_by_role("button", name="Remove it", exact=True).click()
    eventually(lambda: lab.item(run.name).is_hidden(), 10, "its removal from the panel")
    eventually(lambda: run.name not in [each.name for each in ph.runs()], 10, "its removal")


def test_the_plot_follows_the_dark_theme(lab: Any, local_pilot: Any, eventually: Any) -> None:
    run = local_pilot.launch("count", {"to": 3000})
    lab.open()
    lab.do("application:close-all")  # a tab that was restored would have a plot of its own
    lab.do("pilothouse:open-run", name=run.name)
    eventually(lab.windows, 30, "the plot")
    plots = lab.page.locator(".pilothouse-RunPlots .pilothouse-Live-plots")
    assert _brightness(lab, plots) > 200
    lab.do("apputils:change-theme", theme="JupyterLab Dark")
    eventually(lambda: _brightness(lab, plots) < 80, 15, "a dark plot")
    # JupyterLab's own cover goes 200 ms after a change of theme, and fails when another one has begun by then.
    lab.page.locator("#jupyterlab-splash").wait_for(state="detached")
    lab.do("apputils:change-theme", theme="JupyterLab Light")
    eventually(lambda: _brightness(lab, plots) > 200, 15, "a light plot")
    assert lab.page.evaluate(DOCUMENTS) == 1  # of those that were replaced, nothing is kept
    lab.do("application:close-all")
    eventually(lambda: lab.page.evaluate(DOCUMENTS) == 0, 5, "the release of the plot")
    run.stop()


def _brightness(lab: Any, element: Any) -> float:
    """Mean of the red, green and blue of what an element looks like, 0 to 255."""
    import base64

    picture = base64.b64encode(element.screenshot()).decode()
    mean: float = lab.page.evaluate(
        """async picture => {
            const image = new Image();
            image.src = "data:image/png;base64," + picture;
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.width, image.height];
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
            let sum = 0;
            for (let at = 0; at < data.length; at += 4) {
                sum += data[at] + data[at + 1] + data[at + 2];
            }
            return sum / (data.length / 4 * 3);
        }""",
        picture,
    )
    return mean


def test_all_that_is_listed_can_be_reached(lab: Any, local_pilot: Any, eventually: Any) -> None:
    runs = [local_pilot.launch("count", {"to": 3000}) for _ in range(6)]
    lab.open()
    panel = lab.panel()
    body = panel.locator(".pilothouse-Section-body").nth(1)
    for run in runs:
        lab.item(run.name).wait_for()
    for run in runs:
        stop = lab.item(run.name).get_by_title("Stop the run")
        stop.scroll_into_view_if_needed()
        button, view = stop.bounding_box(), body.bounding_box()
        assert view["y"] <= button["y"]
        assert button["y"] + button["height"] <= view["y"] + view["height"] <= 900
        stop.click()
    eventually(lambda: all(run.state.ended for run in runs), 30, "their end")


def test_a_wrong_value_is_said_beside_its_field(lab: Any, local_pilot: Any, eventually: Any) -> None:
    before = {pilot.name for pilot in ph.pilots()}
    lab.open()
    lab.panel()
    lab.start("pilothouse:new-pilot")
    form = lab.page.locator(".pilothouse-PilotForm")
    form.wait_for()
    _field(form, "Memory").fill("a lot")
    _field(form, "Name").fill(local_pilot.name)
    lab.page.get_by_role("button", name="Start", exact=True).click()
    eventually(lambda: "memory='a lot'" in form.inner_text(), 10, "the error of the memory")
    _field(form, "Memory").fill("1 GiB")
    lab.page.get_by_role("button", name="Start", exact=True).click()
    eventually(lambda: f"name='{local_pilot.name}'" in form.inner_text(), 10, "the error of the name")
    lab.page.get_by_role("button", name="Cancel", exact=True).click()
    assert {pilot.name for pilot in ph.pilots()} == before
