"""Fixtures for all tests: a state folder of their own, and a real local pilot."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot

pytest_plugins = ["tests.slurm.fixtures", "pilothouse.testing.fixtures"]

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="session", autouse=True)
def _private_places() -> Iterator[None]:
    """Nothing that a test does reaches the user's state, and the tests' plug-in is found by every process."""
    root = tempfile.mkdtemp(prefix="pilothouse-tests-")
    patch = pytest.MonkeyPatch()
    patch.setenv("PILOTHOUSE_HOME", f"{root}/state")
    patch.delenv("PILOTHOUSE_SERVER", raising=False)  # the Jupyter server that these tests may be run in
    patch.syspath_prepend(str(PLUGIN))
    patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(PLUGIN), os.environ.get("PYTHONPATH")])))
    yield
    from pilothouse.pilots.submission import pilots

    for pilot in pilots():
        pilot.cancel()
    patch.undo()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def local_pilot(_private_places: None) -> Iterator[Pilot]:
    """A real local pilot with two nodes, shared by the tests of a session: leave it as you found it."""
    from pilothouse.pilots import submit

    with submit("local", name="tests", nodes=2, lease="2h").wait(timeout=60) as pilot:
        yield pilot


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What can't be tested here is skipped and listed at the end; with ``CI=true`` it is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
