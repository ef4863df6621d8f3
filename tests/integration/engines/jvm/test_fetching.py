"""What is pinned is what is to be had: fetched for real, once for all runs in this checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.cli import main
from pilothouse.engines.jvm.jars import found, jars
from pilothouse.engines.jvm.verified import sha256


def test_kafka_is_fetched_as_it_is_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "fetch", "kafka"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == '# ph.engines.fetch("kafka")'
    assert "kafka 4.4.0: all 45 jars are in" in said[-1] or "archive" in said[-1]
    assert found("kafka")
    assert len({sha256(path) for path in jars("kafka")}) == 45


def test_an_administrator_fetches_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jars("kafka")
    monkeypatch.setenv("PILOTHOUSE_JARS", str(Path(jars("kafka")[0]).parents[1]))  # what is there is not fetched again
    ph.engines.fetch("kafka")
    monkeypatch.setenv("PILOTHOUSE_CACHE", str(tmp_path / "another user's"))
    assert found("kafka")
