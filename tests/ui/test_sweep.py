"""Orphaned jobs on a real Slurm are listed with what, where and why, and ended only when the user says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.login_node import LoginNode, kill_supervisor
from tests.ui.lab_server import Server, lab_server


@pytest.fixture
def server(login: LoginNode, tmp_path: Path) -> Iterator[Server]:
    """JupyterLab on the login node."""
    with lab_server(tmp_path) as found:
        yield found


def test_orphans_are_listed_and_ended_after_a_question(lab: Any, login: LoginNode, eventually: Any) -> None:
    pilot = login.submit(name="orphans", nodes=1).wait(timeout=60)
    job = pilot.nodes[0].job
    lab.open()
    lab.panel()
    sweep = lab.page.locator("#pilothouse-panel").get_by_role("button", name="List jobs of yours that no pilot wants")
    dialog = lab.page.get_by_role("dialog")

    sweep.click()
    dialog.get_by_text("All your jobs belong to pilots that go on.").wait_for()
    dialog.get_by_role("button", name="Close").click()

    kill_supervisor(pilot)
    eventually(lambda: "lost" in lab.item("orphans").inner_text(), 20, "the loss in the panel")
    sweep.press("Enter")
    row = dialog.get_by_role("row", name=job)
    row.wait_for()
    cells = row.get_by_role("cell").all_inner_texts()
    assert cells == ["slurm", "orphans-1", "running", "its pilot is lost"]
    assert "Recover first what you want to keep: orphans." in dialog.inner_text()
    keep = dialog.get_by_role("button", name="Keep them")
    eventually(
        lambda: keep.evaluate("button => button === document.activeElement"), 5, "the focus"
    )  # Enter ends nothing
    lab.page.keyboard.press("Enter")
    dialog.wait_for(state="detached")
    assert [each.id for each in login.alive()] == [job]

    sweep.click()
    dialog.get_by_role("button", name="End the job").click()
    eventually(lambda: not login.alive(), 30, "the end of the job")
    lab.page.get_by_text("1 orphaned job was ended.").first.wait_for()
