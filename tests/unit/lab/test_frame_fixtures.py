"""The frames that the front end's tests decode are those that Python encodes today."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FIXTURES = Path(__file__).parents[3] / "lab_extension" / "test" / "fixtures"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frame_fixtures", FIXTURES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["snapshot", "increment", "empty"])
def test_committed_frames_are_what_python_encodes(name: str) -> None:
    assert (FIXTURES / f"{name}.bin").read_bytes() == _script().frames()[name].encode()
