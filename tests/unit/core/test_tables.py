"""Tables for people."""

from __future__ import annotations

from pilothouse.tables import html_table, text_table


def test_columns_of_text_stand_below_each_other() -> None:
    assert text_table([("name", "sat"), ("a", "1.5"), ("long one", "100.0")], numbers=[1]).splitlines() == [
        "name        sat",
        "a           1.5",
        "long one  100.0",
    ]
    assert text_table([("a", "b"), ("ccc", "")]).splitlines() == ["a    b", "ccc"], "no spaces at the end"


def test_html_is_escaped_and_says_which_cells_are_heads() -> None:
    table = html_table(["<b>", "two"], [("<i>", "&"), ("", "x")], caption="a < b")
    assert "<caption>a &lt; b</caption>" in table
    assert table.count('<th scope="col"') == 2
    assert ">&lt;b&gt;</th>" in table
    assert table.count('<th scope="row"') == 1, "an empty cell is no head"
    assert ">&lt;i&gt;</th>" in table
    assert ">&amp;</td>" in table
