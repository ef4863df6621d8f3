"""A pilot that was lost stays in view with what can be done about it, and its timeline tells what happened."""

from __future__ import annotations

from typing import Any

import psutil

import pilothouse as ph


def test_a_lost_pilot_is_recovered_by_a_button_and_its_timeline_shows_it(lab: Any, eventually: Any) -> None:
    with ph.submit("local", name="unlucky", nodes=1).wait(timeout=60) as pilot:
        lab.open()
        lab.do("application:close-all")
        lab.panel()
        item = lab.item("unlucky")
        item.get_by_title("Renew the nodes").wait_for()
        assert pilot.record.supervisor is not None
        psutil.Process(pilot.record.supervisor.pid).kill()
        recover = item.get_by_role("button", name="Recover the pilot (unlucky)")
        recover.wait_for()
        assert item.get_by_title("End what it has left").is_visible()
        assert item.get_by_title("Add a node").is_hidden()
        assert "was killed" in item.inner_text()
        recover.click()
        eventually(lambda: pilot.record.generation == 2 and pilot.state == "running", 30, "its second life")
        item.get_by_title("Add a node").wait_for()
        item.get_by_title("Show the timeline").click()
        plot = lab.page.locator(".pilothouse-Timeline [role=img]")
        eventually(lambda: "supervisor 2" in (plot.get_attribute("aria-label") or ""), 30, "the timeline")
        eventually(lambda: plot.bounding_box()["height"] > 100, 10, "a drawing")
        assert "node-hours" in lab.page.locator(".pilothouse-Timeline [role=status]").inner_text()
        lab.do("application:close-all")


def test_views_of_a_lost_run_go_on_when_its_pilot_is_recovered(lab: Any, server: Any, eventually: Any) -> None:
    with ph.submit("local", name="returning", nodes=1).wait(timeout=60) as pilot:
        run = ph.streams.run(source="kmeans-random", processor="kmeans", rate=5, pilot=pilot, name="flow")
        server.notebook("flow.ipynb", ["import pilothouse as ph", "ph.attach('flow')"])
        lab.open("flow.ipynb")
        lab.run_cell(0)
        lab.run_cell(1)
        lab.panel()
        cell = lab.page.locator(".jp-OutputArea-output .pilothouse-Live-state")
        eventually(lambda: "running" in cell.inner_text(), 30, "the run in the cell")
        lab.do("pilothouse:open-run", name="flow")
        tab = lab.page.locator(".pilothouse-RunPlots .pilothouse-Live-state")
        eventually(lambda: "running" in tab.text_content(), 30, "the run in its tab")
        lab.item("returning").get_by_title("Show the Dask dashboard").click()
        pages = lab.page.frame_locator(".pilothouse-Dashboard iframe")
        pages.locator("canvas").first.wait_for(timeout=60_000)

        assert pilot.record.supervisor is not None
        psutil.Process(pilot.record.supervisor.pid).kill()
        for state in (cell, tab):
            eventually(lambda state=state: "lost" in state.text_content(), 30, "the loss")
        pages.get_by_text("its dashboard has gone with it").wait_for(timeout=20_000)
        lab.item("returning").get_by_title("Recover the pilot").click()
        for state in (cell, tab):
            eventually(lambda state=state: "running" in state.text_content(), 60, "the run again")
        pages.locator("canvas").first.wait_for(timeout=60_000)
        run.stop()
        for state in (cell, tab):
            eventually(lambda state=state: "finished" in state.text_content(), 30, "the end of the run")
