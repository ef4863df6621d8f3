"""Seconds of rooms: read from junit files, and compared with budgets."""

from __future__ import annotations

from pathlib import Path

from tests import seconds

JUNIT = """<testsuites><testsuite time="12">
<testcase classname="tests.unit.md.test_recipe" name="test_a" time="2.5"/>
<testcase classname="tests.unit.md.test_recipe.TestClass" name="test_b" time="1.5"/>
<testcase classname="tests.contract.queues.test_queue_contract.TestSlurm" name="test_c" time="4"/>
<testcase classname="tests.ui.test_panel" name="test_d" time="8"/>
</testsuite></testsuites>"""


def test_seconds_are_added_up_by_file_and_by_room(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    files = seconds.of_files([tmp_path / "junit.xml"])
    assert files["tests/unit/md/test_recipe.py"] == 4
    run_s = seconds.of_run(tmp_path / "junit.xml")
    assert seconds.of_rooms(files, run_s) == {"ui": 6, "md": 3, "pilots": 3}
    assert "| ui | 6 | `ui/test_panel.py` |" in seconds.table(files, run_s)


def test_a_room_that_takes_more_than_it_may_is_named() -> None:
    rooms = {"md": 90.0, "pilots": 200.0, "slurm": 100.0, "tasks": 60.0}
    assert seconds.over_budget(rooms) == []
    rooms |= {"md": 91.0, "tasks": 61.0}
    assert [line.split(":")[0] for line in seconds.over_budget(rooms)] == ["md", "pilots, slurm, tasks"]
    rooms = {f"room {number}": 90.0 for number in range(9)}
    assert [line.split(":")[0] for line in seconds.over_budget(rooms)] == ["all"]


def test_no_room_took_more_than_it_may_when_that_was_measured_last() -> None:
    """What is measured here and now depends on what else this machine does."""
    rooms = seconds.kept_rooms()
    assert len(rooms) > 15
    assert seconds.over_budget(rooms) == []
