"""``python -O`` leaves asserts out: the library's do nothing but tell mypy what is not None."""

from __future__ import annotations

import ast

import pytest

from tests.unit.core.test_import_arrows import ROOT, sources


def only_says_not_none(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.IsNot):
        return False
    subject = test.left
    while isinstance(subject, ast.Attribute):
        subject = subject.value
    return isinstance(subject, ast.Name) and isinstance(test.comparators[0], ast.Constant)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("assert process.stdout is not None", True),
        ("assert pilot.record", False),
        ("assert find(name) is not None", False),
        ("assert (found := find(name)) is not None", False),
        ("assert nodes > 0", False),
    ],
)
def test_what_an_assert_may_say(text: str, allowed: bool) -> None:
    statement = ast.parse(text).body[0]
    assert isinstance(statement, ast.Assert)
    assert only_says_not_none(statement.test) is allowed


def test_no_assert_of_the_library_does_or_checks_anything() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in sources()
        if "testing" not in path.parts  # tests, for third parties
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert) and not only_says_not_none(node.test)
    ]
    assert found == []
