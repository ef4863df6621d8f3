"""Nothing ends without a question, and no question ends anything by Enter."""

from __future__ import annotations

import re
from typing import Any

import psutil

import pilothouse as ph
from tests.ui.lab_page import FOCUSED


def test_in_running_a_pilot_is_cancelled_only_after_a_question(lab: Any, eventually: Any) -> None:
    with ph.submit("local", name="asked", nodes=1).wait(timeout=60) as pilot:
        run = pilot.launch("count", {"to": 3000})
        lab.open()
        dialog = lab.page.get_by_role("dialog")

        for name, keep in ((run.name, "Keep it running"), ("asked", "Keep it")):
            _shut_down(lab, name)
            _kept(lab, dialog, keep, eventually)
        _running(lab).get_by_role("button", name="Cancel All").click()
        dialog.get_by_text("You will see what ends before anything does.").wait_for()
        lab.page.keyboard.press("Enter")
        dialog.get_by_text(re.compile("The nodes of .*asked.* are given back, and 1 run ends")).wait_for()
        _kept(lab, dialog, "Keep them", eventually)
        assert run.state == "running"
        assert pilot.state == "running"

        _shut_down(lab, run.name)
        dialog.get_by_role("button", name="Stop the run").click()
        eventually(lambda: run.state.ended, 20, "the end of the run")
        _shut_down(lab, "asked")
        dialog.get_by_role("button", name="Cancel the pilot").click()
        eventually(lambda: pilot.state == "finished", 30, "the end of the pilot")


def test_in_the_panel_questions_keep_by_default(lab: Any, eventually: Any) -> None:
    with ph.submit("local", name="kept", nodes=1).wait(timeout=60) as pilot:
        lab.open()
        lab.panel()
        dialog = lab.page.get_by_role("dialog")
        lab.item("kept").get_by_title("Cancel the pilot").press("Enter")
        _kept(lab, dialog, "Keep it", eventually)
        assert not pilot.state.ended

        assert pilot.record.supervisor is not None
        node = psutil.Process(pilot.nodes[0].pid)
        psutil.Process(pilot.record.supervisor.pid).kill()
        end = lab.item("kept").get_by_title("End what it has left")
        end.wait_for()
        end.press("Enter")
        _kept(lab, dialog, "Keep it", eventually)
        assert pilot.state == "lost"
        end.click()
        dialog.get_by_role("button", name="End it").click()
        dialog.wait_for(state="detached")
        eventually(lambda: not node.is_running(), 60, "the end of its node")


def _running(lab: Any) -> Any:
    """JupyterLab's list of what is running, shown."""
    lab.do("running:show-panel")
    running = lab.page.locator("#jp-running-sessions")
    running.wait_for(state="visible")
    return running


def _shut_down(lab: Any, name: str) -> None:
    """Click what JupyterLab shows beside an item that the mouse is on."""
    items = _running(lab).locator(".jp-RunningSessions-item")
    pilot = items.filter(has_text="asked").first
    if pilot.get_attribute("aria-expanded") == "false":
        pilot.press("ArrowRight")
    item = items.filter(has_text=name).last  # a run's is in its pilot's
    item.hover()
    item.locator("> .jp-RunningSessions-itemShutdown").click()


def _kept(lab: Any, dialog: Any, keep: str, eventually: Any) -> None:
    """The question is there with its focus on what keeps everything; Enter takes it away."""
    button = dialog.get_by_role("button", name=keep, exact=True)
    button.wait_for()
    eventually(lambda: button.evaluate(FOCUSED), 10, "the focus")
    lab.page.keyboard.press("Enter")
    dialog.wait_for(state="detached")
