"""Tests that have a `make test-...` of their own are left out where nobody asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.schedule import is_left_out

FOLDER = Path("/tests/ui")


class Item:
    """Of a test, what is looked at."""

    def __init__(self, *marks: str) -> None:
        self.path = FOLDER / "test_it.py"
        self._marks = [mark.partition(" ") for mark in marks]

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        found = (packages for mark, _, packages in self._marks if mark == name)
        return next((getattr(pytest.mark, name)(*packages.split()).mark for packages in found), None)


@pytest.mark.parametrize(
    ("marks", "asked", "named", "left_out"),
    [
        ((), set(), set(), False),
        (("slow",), set(), set(), False),
        (("ui", "slow"), set(), set(), True),
        (("ui",), {"ui"}, set(), False),
        (("ui",), set(), {FOLDER}, False),
        (("ui",), set(), {FOLDER / "test_it.py"}, False),
        (("ui",), set(), {FOLDER.parent}, True),
        (("ui",), {"batch"}, set(), True),
        (("batch", "nightly"), {"batch"}, set(), True),
        (("batch", "nightly"), {"nightly"}, set(), False),
        (("nightly",), set(), {FOLDER}, True),
        (("engines",), set(), set(), True),
        (("engines",), {"engines"}, set(), False),
        (("engines pytest json",), set(), set(), False),
        (("engines pytest no_such_package",), set(), set(), True),
        (("engines pytest", "batch"), set(), set(), True),
    ],
)
def test_a_test_is_left_out(marks: tuple[str, ...], asked: set[str], named: set[Path], left_out: bool) -> None:
    assert is_left_out(Item(*marks), asked, named) is left_out  # type: ignore[arg-type]  # it needs no more of a test


def test_make_test_batch_looks_where_its_tests_are() -> None:
    root = Path(__file__).parents[3]
    (line,) = [line for line in (root / "Makefile").read_text().splitlines() if line.startswith("BATCH :=")]
    looked_at = [root / folder for folder in line.split()[2:]]
    written = [path for path in (root / "tests").rglob("test_*.py") if "mark.batch" in path.read_text()]
    assert [path for path in written if path != Path(__file__) and not {*path.parents} & {*looked_at}] == []
    assert [folder for folder in looked_at if not any(folder in path.parents for path in written)] == []
