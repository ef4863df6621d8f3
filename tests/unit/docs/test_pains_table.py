"""The table of pains in the documentation names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROWS = [
    line
    for line in (ROOT / "docs" / "pilots.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| \d+\. ", line)
]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", "\n".join(ROWS))))


def test_all_fifteen_are_there_with_a_source_an_answer_and_a_test() -> None:
    assert [int(row.split(".")[0].removeprefix("| ")) for row in ROWS] == list(range(1, 16))
    for row in ROWS:
        pain, answer, tests = row.strip("| ").split(" | ")
        assert "](https://github.com/" in pain
        assert answer
        assert re.fullmatch(r"`tests/[^`]+`(<br>`tests/[^`]+`)*", tests)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_that_is_named_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    assert name in functions
