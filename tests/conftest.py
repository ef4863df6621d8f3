"""Fixtures for all tests: a state folder of their own, and a real local pilot."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot

pytest_plugins = ["pilothouse.testing.fixtures", "tests.places", "tests.schedule", "tests.slurm.fixtures"]


@pytest.fixture(scope="session")
def local_pilot(_private_places: None) -> Iterator[Pilot]:
    """A real local pilot with two nodes, shared by the tests of a session: leave it as you found it."""
    from pilothouse.pilots import submit

    with submit("local", name="tests", nodes=2, lease="2h").wait(timeout=60) as pilot:
        yield pilot


@pytest.fixture(scope="session")
def tour() -> ModuleType:
    """``notebooks/tour.py``, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("tour", Path(__file__).parents[1] / "notebooks" / "tour.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What can't be tested here is skipped and listed at the end; with ``CI=true`` it is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
