"""Inputs in the working folder: the user's own files are never harmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.errors import Failed
from pilothouse.tasks.staging import stage


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "start.xyz"
    path.write_text("mine")
    return path


@pytest.mark.parametrize("how", ["link", "copy"])
def test_an_input_that_is_in_the_folder_already_stays(source: Path, how: str) -> None:
    stage({source.name: {"path": str(source)}}, source.parent, how)
    assert source.read_text() == "mine"
    assert not source.is_symlink()


def test_a_link_does_not_replace_a_file(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "start.xyz").write_text("other")
    with pytest.raises(Failed, match="is there already and is another file"):
        stage({"start.xyz": {"path": str(source)}}, work, "link")
    assert (work / "start.xyz").read_text() == "other"


def test_a_second_attempt_finds_fresh_inputs(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    for how in ("link", "link", "copy", "copy"):
        stage({"in/a": {"path": str(source)}}, work, how)
        assert (work / "in" / "a").read_text() == "mine"
        if how == "copy":
            (work / "in" / "a").write_text("changed")
    assert source.read_text() == "mine"  # no copy went through the link


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="input 'a': there is no /no/such"):
        stage({"a": {"path": "/no/such"}}, tmp_path, "link")
