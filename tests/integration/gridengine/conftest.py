"""These tests run on a host of the Grid Engine that ``python -m tests.gridengine`` starts."""

from __future__ import annotations

import os

import pytest

collect_ignore_glob = [] if os.environ.get("PILOTHOUSE_TEST_BATCH") == "gridengine" else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark where it is used."""
    config.addinivalue_line("markers", "gridengine: runs on the tests' own Grid Engine (make test-batch)")
