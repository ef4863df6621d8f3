from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilothouse.data import store
from pilothouse.registry.records import PILOTS, PilotRecord, State
from pilothouse.state import utcnow


@pytest.fixture
def node_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's folder on this node, in tmpfs, empty and private to the test."""
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path / "home"))
    shared = Path("/dev/shm")
    folder = (shared if shared.is_dir() else tmp_path) / f"pilothouse-test-{os.getpid()}-{tmp_path.name}"
    monkeypatch.setenv("PILOTHOUSE_STORE", str(folder))
    store.root()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def pilot_record(node_store: Path) -> Callable[..., str]:
    """Writes the record of a pilot, as its supervisor does, and returns the pilot's name."""

    def make(name: str = "anna", state: State = State.RUNNING) -> str:
        PILOTS.write(PilotRecord(name=name, site="local", state=state, created=utcnow()))
        return name

    return make
