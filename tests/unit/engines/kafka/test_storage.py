"""Folders that Kafka starts from, made without it."""

from __future__ import annotations

import base64
from pathlib import Path

from pilothouse.engines.kafka.storage import LOG, SNAPSHOT, Founder, format_folder, new_id, read_meta, scram_keys

FOUNDER = Founder("127.0.0.1", 9093, "pilot", "pencil")


def test_an_id_is_sixteen_bytes_that_no_tool_takes_for_an_option() -> None:
    ids = {new_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(base64.urlsafe_b64decode(text + "==")) == 16 and not text.startswith("-") for text in ids)


def test_a_folder_knows_whose_it_is(tmp_path: Path) -> None:
    assert read_meta(tmp_path) == {}
    format_folder(tmp_path / "data", "cluster", 7, None)
    found = read_meta(tmp_path / "data")
    assert (found["cluster.id"], found["node.id"], found["version"]) == ("cluster", "7", "1")


def test_files_are_their_owner_s_alone_and_have_no_password(tmp_path: Path) -> None:
    format_folder(tmp_path, "cluster", 1, FOUNDER)
    snapshot = tmp_path / LOG / SNAPSHOT
    assert snapshot.stat().st_mode & 0o777 == 0o600
    assert b"pilot" in snapshot.read_bytes()
    assert b"pencil" not in snapshot.read_bytes()


def test_one_that_joins_has_no_voters_and_no_users(tmp_path: Path) -> None:
    format_folder(tmp_path, "cluster", 2, None)
    content = (tmp_path / LOG / SNAPSHOT).read_bytes()
    assert b"CONTROLLER" not in content
    assert b"pilot" not in content


def test_keys_of_a_password_depend_on_its_salt() -> None:
    assert scram_keys("pencil", b"1" * 16) == scram_keys("pencil", b"1" * 16) != scram_keys("pencil", b"2" * 16)
