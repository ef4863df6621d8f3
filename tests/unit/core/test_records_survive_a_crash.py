"""A record is written whole or not at all, whenever its writer dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilothouse.errors import Conflict, InvalidInput, NotFound, PilothouseError
from pilothouse.registry.store import Record, Records, Unreadable
from pilothouse.state import utcnow, write_atomic
from tests.waiting import eventually

WRITER = """
import itertools
from pilothouse.registry.store import Record, Records
records = Records("things", Record)
print("ready", flush=True)
for i in itertools.count():
    records.write(Record(name="one", number=i, text=str(i) * 20_000))
"""


def test_a_killed_writer_leaves_a_whole_record(state_home: Path) -> None:
    records = Records("things", Record)
    for delay in (0.0, 0.003, 0.011, 0.02, 0.05):
        with subprocess.Popen([sys.executable, "-c", WRITER], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            eventually(records.path("one").exists, "the first record")
            time.sleep(delay)  # not a wait for anything: the moment of the kill is to vary
            writer.send_signal(signal.SIGKILL)
        found = records.read("one").model_extra
        assert found is not None
        assert found["text"] == str(found["number"]) * 20_000


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failure_at_any_step_keeps_the_old_record(
    state_home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    records = Records("things", Record)
    records.write(Record(name="one", number=1))  # type: ignore[call-arg]

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, {"write": "fdopen", "fsync": "fsync", "replace": "replace"}[step], broken)
    with pytest.raises(OSError, match="No space left"):
        records.write(Record(name="one", number=2))  # type: ignore[call-arg]
    monkeypatch.undo()
    monkeypatch.setenv("PILOTHOUSE_HOME", str(state_home))
    assert records.read("one").model_extra == {"number": 1}
    assert [path.name for path in records.root.iterdir()] == ["one.json"]


def test_records_are_private_and_keep_fields_of_newer_versions(state_home: Path) -> None:
    records = Records("things", Record)
    write_atomic(records.path("one"), b'{"name": "one", "schema_version": 1, "invented_later": [1, 2]}')
    record = records.read("one")
    records.write(record)
    assert b"invented_later" in records.path("one").read_bytes()
    assert records.path("one").stat().st_mode & 0o777 == 0o600
    assert state_home.stat().st_mode & 0o777 == 0o700


def test_a_corrupt_record_is_shown_and_kept(state_home: Path) -> None:
    records = Records("things", Record)
    records.write(Record(name="good"))
    records.path("bad").write_bytes(b'{"name": "ba')
    good, bad = sorted(records, key=lambda found: isinstance(found, Unreadable))
    assert good.name == "good"
    assert isinstance(bad, Unreadable)
    assert "EOF" in bad.reason
    with pytest.raises(PilothouseError, match=r"bad\.json can't be read"):
        records.read("bad")
    assert records.path("bad").read_bytes() == b'{"name": "ba'


def test_one_name_is_given_once(state_home: Path) -> None:
    records = Records("things", Record)
    records.create(Record(name="one"))
    with pytest.raises(Conflict, match="'one' is in use") as caught:
        records.create(Record(name="one"))
    assert caught.value.field == "name"
    assert [path.name for path in records.root.iterdir()] == ["one.json"]


@pytest.mark.parametrize("name", ["", "../x", "A b", ".hidden", "x" * 49, "a/b"])
def test_a_name_that_cannot_be_a_file_is_refused(state_home: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 48 lower-case letters"):
        Records("things", Record).path(name)


def test_a_missing_record_is_named(state_home: Path) -> None:
    with pytest.raises(NotFound, match="no thing called 'nobody'"):
        Records("things", Record).read("nobody")
    assert utcnow().tzinfo is not None
