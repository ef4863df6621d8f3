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
