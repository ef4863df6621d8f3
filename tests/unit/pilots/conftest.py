"""A host without batch systems and site files, but for those that a test makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.pilots.fake_commands import FakeCommands


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    """Nothing on PATH, no site files."""
    commands = FakeCommands(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(commands.folder))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PILOTHOUSE_SITES", raising=False)
    return commands


@pytest.fixture
def admin(host: FakeCommands, tmp_path: Path) -> Callable[[str], Path]:
    """Write an admin's site file."""
    return lambda text: _written(tmp_path / "etc" / "pilothouse" / "sites" / "admin.toml", text)


@pytest.fixture
def user(host: FakeCommands, tmp_path: Path) -> Callable[[str], Path]:
    """Write the user's own site file."""
    return lambda text: _written(tmp_path / "home" / "pilothouse" / "sites" / "mine.toml", text)


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
