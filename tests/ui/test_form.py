"""The form of a new pilot: it follows the site that is chosen, has kinds of nodes, and shows what it would submit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pilothouse as ph
from tests.ui.lab_page import FOCUSED

SITES = """\
[teaching]
system = "local"
nodes = 2
lease = "1h"
accounts = ["phys", "chem"]
fixed = ["cores"]
"""


@pytest.fixture
def site_file(server: Any) -> Iterator[Path]:
    """A site of the user who runs the server."""
    path: Path = server.root.parent / "home" / ".config" / "pilothouse" / "sites" / "mine.toml"
    path.parent.mkdir(parents=True)
    path.write_text(SITES)
    yield path
    path.unlink()


@pytest.mark.usefixtures("site_file")
def test_the_form_follows_the_site(lab: Any, eventually: Any) -> None:
    lab.open()
    lab.panel()
    lab.start("pilothouse:new-pilot")
    form = lab.page.locator(".pilothouse-PilotForm")
    form.wait_for()

    def field(name: str) -> Any:
        return form.get_by_label(name, exact=True)

    assert not field("Directives").is_visible()  # folded away
    form.get_by_text("More", exact=True).click()
    field("Directives").fill("--comment=a")
    field("Memory").fill("1 GiB")
    assert field("Lease").input_value() == "12h"

    field("Site").select_option(label="teaching")
    eventually(lambda: field("Lease").input_value() == "1h", 10, "the limits of the site")
    assert field("Memory").input_value() == "1 GiB"  # what was filled in stays
    assert field("Directives").input_value() == "--comment=a"
    assert field("Account").locator("option").all_inner_texts()[-2:] == ["phys", "chem"]
    assert not field("Cores").is_editable()
    field("Nodes").fill("3")
    eventually(lambda: "2" in form.locator(".validationErrors").all_inner_texts()[2], 10, "the limit of the nodes")

    field("Nodes").fill("2")
    field("Account").select_option(label="chem")
    lab.page.get_by_role("button", name="Start", exact=True).click()
    eventually(lambda: "has no batch system to heed it" in form.inner_text(), 10, "the error beside its field")
    lab.page.get_by_role("button", name="Cancel", exact=True).click()
    assert not lab.errors


def test_kinds_of_nodes_are_filled_in_and_what_they_would_submit_is_shown_first(lab: Any, eventually: Any) -> None:
    lab.open()
    lab.panel()
    lab.start("pilothouse:new-pilot")
    form = lab.page.locator(".pilothouse-PilotForm")
    form.wait_for()
    form.get_by_label("Name", exact=True).fill("mixed")
    form.get_by_text("More", exact=True).click()
    form.get_by_role("button", name="Add a kind of nodes").click()
    kind = form.get_by_role("group", name="More kinds of nodes 1")
    kind.get_by_label("Name", exact=True).fill("big")
    kind.get_by_label("Cores", exact=True).fill("9999")
    kind.get_by_text("More", exact=True).click()
    kind.get_by_label("Resources", exact=True).fill("BIG=1")
    look = form.get_by_role("button", name="Show job script and expected start")
    look.click()
    eventually(lambda: "kinds.big.cores=9999" in form.get_by_role("status").inner_text(), 10, "what is wrong")

    kind.get_by_label("Cores", exact=True).fill("1")
    assert form.get_by_role("status").inner_text() == ""  # it was of what the form said before
    look.press("Enter")
    eventually(lambda: "big: A node would start at once." in form.get_by_role("status").inner_text(), 10, "a preview")
    script = form.get_by_label("Job script of a node of the kind big").inner_text()
    assert "--name mixed-2" in script
    assert "BIG" in script
    assert "mixed" not in [pilot.name for pilot in ph.pilots()]

    form.get_by_role("button", name="Add a kind of nodes").click()
    second = form.get_by_role("group", name="More kinds of nodes 2")
    start = lab.page.get_by_role("button", name="Start", exact=True)
    start.click()
    eventually(lambda: "Each kind needs a name." in form.inner_text(), 10, "what is wrong")
    second.get_by_label("Name", exact=True).fill("big")
    start.click()
    eventually(lambda: "The name big is there twice." in form.inner_text(), 10, "what is wrong")
    second.get_by_label("Nodes", exact=True).fill("-1")
    eventually(start.is_disabled, 10, "a number that can't be")
    second.get_by_role("button", name="Remove kind 2").click()
    start.click()
    pilot = eventually(lambda: ph.attach("mixed"), 10, "the pilot")
    try:
        assert pilot.record.wanted == {"node": 1, "big": 1}
        lab.page.get_by_role("dialog").wait_for(state="detached")
    finally:
        pilot.cancel()


#: Has the browser be busy: it is idle only after this many milliseconds, however long a form has been in view by then.
LATE_IDLE = """() => {
    globalThis.idle ??= requestIdleCallback;
    globalThis.requestIdleCallback = (then) => setTimeout(then, 1500);
}"""
IDLE = "() => { globalThis.requestIdleCallback = globalThis.idle; }"


def test_enter_means_what_has_the_focus_also_while_the_form_still_settles(lab: Any, eventually: Any) -> None:
    before = {pilot.name for pilot in ph.pilots()}
    lab.open()
    lab.panel()
    lab.page.evaluate(LATE_IDLE)
    lab.start("pilothouse:new-pilot")
    form = lab.page.locator(".pilothouse-PilotForm")
    look = form.get_by_role("button", name="Show job script and expected start")
    look.focus()
    lab.page.wait_for_timeout(1_800)  # by now the browser has been idle
    assert look.evaluate(FOCUSED)
    lab.page.keyboard.press("Enter")
    eventually(lambda: "A node would start at once." in form.get_by_role("status").inner_text(), 20, "a preview")

    lab.take_focus()
    assert look.evaluate(FOCUSED)
    lab.page.keyboard.press("Escape")
    lab.page.get_by_role("dialog").wait_for(state="detached")
    assert {pilot.name for pilot in ph.pilots()} == before
    lab.page.evaluate(IDLE)


def test_an_error_out_of_sight_is_brought_into_view_and_said_beside_start(lab: Any, eventually: Any) -> None:
    lab.open()
    lab.panel()
    lab.start("pilothouse:new-pilot")
    dialog = lab.page.get_by_role("dialog")
    form = lab.page.locator(".pilothouse-PilotForm")
    first = form.get_by_label("Site", exact=True)
    eventually(lambda: first.evaluate(FOCUSED), 10, "the focus in the first field")
    more, start = form.get_by_text("More", exact=True).first, dialog.get_by_role("button", name="Start", exact=True)
    directives = form.get_by_label("Directives", exact=True)
    summary = dialog.locator(".pilothouse-Dialog-trouble")

    more.click()
    directives.fill("--comment=a")
    more.click()
    assert not directives.is_visible()
    start.click()
    summary.get_by_text("The pilot was not started: directives=").wait_for()
    assert directives.is_visible()
    eventually(lambda: directives.evaluate(FOCUSED), 10, "the focus")
    assert directives.evaluate("element => element.getBoundingClientRect().bottom") < start.bounding_box()["y"]
    directives.fill("")
    eventually(lambda: summary.inner_text() == "", 10, "nothing wrong any more")

    form.get_by_label("Nodes", exact=True).first.fill("-1")
    eventually(start.is_disabled, 10, "a number that can't be")
    form.get_by_label("Directives", exact=True).focus()
    summary.get_by_role("button", name="Nodes:").press("Enter")
    assert form.get_by_label("Nodes", exact=True).first.evaluate(FOCUSED)
    lab.page.keyboard.press("Enter")  # refused here, and by no server
    dialog.get_by_role("button", name="Cancel", exact=True).click()
