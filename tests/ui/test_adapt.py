"""The dialog that lets a pilot follow its load: by keyboard, with what is wrong beside its field, and the way back."""

from __future__ import annotations

from typing import Any

import pilothouse as ph


def test_a_pilot_follows_its_load_and_stops_by_keyboard(lab: Any, eventually: Any) -> None:
    with ph.submit("local", name="elastic", nodes=1).wait(timeout=60) as pilot:
        lab.open()
        lab.panel()
        item = lab.item("elastic")
        item.get_by_role("button", name="Follow the load (elastic)").press("Enter")
        dialog = lab.page.get_by_role("dialog")
        fewest, most = dialog.get_by_label("Fewest nodes"), dialog.get_by_label("Most nodes")
        fewest.wait_for()
        eventually(lambda: fewest.evaluate("input => input === document.activeElement"), 5, "the focus")
        assert "1 node, whatever there is to do" in dialog.inner_text()

        fewest.fill("3")
        most.fill("2")
        lab.page.keyboard.press("Enter")
        alert = dialog.get_by_role("alert").filter(has_text="minimum=3: from 0 up to maximum=2")
        alert.wait_for()
        assert fewest.get_attribute("aria-invalid") == "true"
        assert pilot.record.adapt is None

        fewest.fill("1")
        most.fill("4")
        lab.page.keyboard.press("Enter")
        eventually(lambda: pilot.record.adapt and pilot.record.adapt.maximum == 4, 10, "what was asked for")
        dialog.wait_for(state="detached")
        eventually(lambda: "adapting 1 to 4" in item.inner_text(), 10, "the state in the panel")

        item.get_by_role("button", name="Change or stop adapting (elastic)").click()
        assert most.input_value() == "4"
        assert "adapting 1 to 4" in dialog.inner_text()
        dialog.get_by_role("button", name="Stop adapting").click()
        eventually(lambda: pilot.record.adapt is None, 10, "its end")
        item.get_by_role("button", name="Follow the load (elastic)").wait_for()
        assert "adapting" not in item.inner_text()
        assert pilot.record.nodes_wanted == 1
