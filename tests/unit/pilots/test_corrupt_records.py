"""Records that can't be read: shown in every list, with the reason; in nobody's way; never deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.cli import main
from pilothouse.errors import PilothouseError
from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord, State
from pilothouse.state import utcnow

CORRUPT = {
    "cut": b'{"name": "cut", "sta',
    "empty": b"",
    "binary": b"\xff\xfe\x00",
    "list": b"[]",
    "stranger": b'{"name": "good", "site": "local", "state": "finished", "created": "2026-01-01T00:00:00Z"}',
    "unnamed": b'{"name": "No Name", "site": "local", "state": "finished", "created": "2026-01-01T00:00:00Z"}',
    "state": b'{"name": "state", "site": "local", "state": "asleep", "created": "2026-01-01T00:00:00Z"}',
}


@pytest.fixture
def corrupt(state_home: Path) -> dict[Path, bytes]:
    PILOTS.write(PilotRecord(name="good", site="local", state=State.FINISHED, created=utcnow()))
    RUNS.write(RunRecord(name="fine", kind="stream", pilot="good", state=State.FINISHED, created=utcnow()))
    files = {records.root / f"{name}.json": data for records in (PILOTS, RUNS) for name, data in CORRUPT.items()}
    for path, data in files.items():
        path.write_bytes(data)
    return files


def test_lists_show_them_beside_what_can_be_read(corrupt: dict[Path, bytes]) -> None:
    pilots, runs = ph.pilots(), ph.runs()
    assert [pilot.name for pilot in pilots] == ["good"]
    assert [run.name for run in runs] == ["fine"]
    for found in (pilots, runs):
        assert {each.name for each in found.unreadable} == set(CORRUPT)
        shown = repr(found)
        assert all(f"<unreadable {each.path}: {each.reason}>" in shown for each in found.unreadable)
    reasons = {each.name: each.reason for each in pilots.unreadable}
    assert "asleep" not in reasons["state"]
    assert reasons["state"].startswith("state: ")
    assert "EOF" in reasons["cut"]
    assert "'good' is not the name" in reasons["stranger"]
    assert all(path.read_bytes() == data for path, data in corrupt.items())


def test_the_command_line_shows_them(corrupt: dict[Path, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("pilots", "runs"):
        assert main([command]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert sum(line.split()[1:2] == ["unreadable"] for line in lines) == len(CORRUPT)
        assert main([command, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert {each["name"] for each in found if each["state"] == "unreadable"} == set(CORRUPT)
        assert all(each["reason"] and each["path"] for each in found if each["state"] == "unreadable")
    assert all(path.read_bytes() == data for path, data in corrupt.items())


@pytest.mark.parametrize("name", CORRUPT)
def test_asking_for_one_says_what_is_wrong_and_where(
    corrupt: dict[Path, bytes], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for ask in (ph.attach, ph.Pilot, ph.Run):
        with pytest.raises(PilothouseError, match=rf"{name}\.json can't be read: .*; mend the file or") as caught:
            ask(name)
        assert caught.value.field == "name"
    with pytest.raises(PilothouseError, match=rf"{name}\.json can't be read"):
        ph.submit("local", name=name)
    assert main(["cancel", name]) == 1
    assert f"{name}.json can't be read" in capsys.readouterr().err
    assert all(path.read_bytes() == data for path, data in corrupt.items())
    assert not (PILOTS.root / name).exists()
