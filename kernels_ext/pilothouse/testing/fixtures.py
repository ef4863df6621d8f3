"""Fixtures that the contract suites ask for: ``pytest_plugins = ["pilothouse.testing.fixtures"]`` in a conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder; pilots left in it are ended."""
    home = tmp_path / "state"
    monkeypatch.setenv("PILOTHOUSE_HOME", str(home))
    monkeypatch.delenv("PILOTHOUSE_SERVER", raising=False)  # the Jupyter server that the tests may be run in
    yield home
    from pilothouse.pilots.submission import pilots

    for pilot in pilots():
        pilot.cancel()
