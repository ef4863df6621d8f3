"""Seconds of rooms: read from junit files, whatever the machine's load, and compared with budgets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests import seconds

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.unit.md.test_recipe" name="test_a" time="2.5"/>
<testcase classname="tests.unit.md.test_recipe.TestClass" name="test_b" time="1.5"/>
<testcase classname="tests.contract.queues.test_queue_contract.TestSlurm" name="test_c" time="4"/>
<testcase classname="tests.ui.test_panel" name="test_d" time="8"/>
</testsuite></testsuites>"""


def test_seconds_are_added_up_by_file_and_by_room(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    files = seconds.of_files([tmp_path / "junit.xml"])
    assert files["tests/unit/md/test_recipe.py"] == 4
    rooms = seconds.of_rooms(files)
    assert list(rooms) == ["ui", "md", "pilots"]
    assert sum(rooms.values()) == pytest.approx(seconds.RUN_S)
    assert "| ui | 360 | `ui/test_panel.py` |" in seconds.table(files)


def test_a_loaded_machine_breaks_no_budget_and_a_room_that_grew_does() -> None:
    files = Counter({f"tests/unit/room{number}/test_it.py": 10.0 for number in range(10)})
    assert seconds.over_budget(seconds.of_rooms(files)) == []
    slow = Counter({file: 20 * each for file, each in files.items()})
    assert seconds.over_budget(seconds.of_rooms(slow)) == []
    files["tests/unit/room3/test_it.py"] = 40.0
    (line,) = seconds.over_budget(seconds.of_rooms(files))
    assert line.startswith("room3: ")


def test_pilots_tasks_and_slurm_have_one_budget() -> None:
    files = Counter({"tests/unit/pilots/test_it.py": 10.0, "tests/integration/slurm/test_it.py": 10.0})
    files |= Counter({f"tests/unit/room{number}/test_it.py": 3.0 for number in range(8)})
    assert seconds.over_budget(seconds.of_rooms(files)) == []
