"""What the outputs of a task mean."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest

from pilothouse.tasks.places import found, is_pattern, missing, names, plain


def test_a_file_of_that_very_name_comes_before_what_a_pattern_matches(tmp_path: Path) -> None:
    (tmp_path / "x.log").touch()
    assert set(found(tmp_path, "[x].log")) == {"x.log"}
    (tmp_path / "[x].log").touch()
    assert set(found(tmp_path, "[x].log")) == {"[x].log"}
    assert set(found(tmp_path, "*.log")) == {"[x].log", "x.log"}
    assert missing(tmp_path, ["[x].log", "[y].log", "[[]x].log", "[[]y].log"]) == ["[y].log", "[[]y].log"]


@pytest.mark.parametrize("name", ["[x].log", "a*b?.dcd", "[1-3]", "plain.dcd", "]["])
def test_an_escaped_name_is_that_name(tmp_path: Path, name: str) -> None:
    escaped = glob.escape(name)
    assert not is_pattern(escaped)
    assert plain(escaped) == name
    assert not found(tmp_path, escaped)
    (tmp_path / name).touch()
    assert found(tmp_path, escaped) == {name: tmp_path / name}
    assert names(escaped, name)
    assert not names(escaped, "other")


def test_a_pattern_names_files_but_is_none() -> None:
    assert names("*.dcd", "a.dcd")
    assert not names("*.dcd", "*.dcd")
    assert names("[ab].dcd", "a.dcd")
    assert names("a[*][0-9].dcd", "a*1.dcd") is False, "it could be meant as a pattern"
    assert names("[ab].dcd", "[ab].dcd"), "a file of that very name"
