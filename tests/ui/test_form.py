"""The form of a new pilot follows the site that is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
