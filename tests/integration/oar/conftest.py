"""These tests run on a host of the OAR that ``python -m tests.oar`` starts."""

from __future__ import annotations

import os

import pytest

collect_ignore_glob = [] if os.environ.get("PILOTHOUSE_TEST_BATCH") == "oar" else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark where it is used."""
    config.addinivalue_line("markers", "oar: runs on the tests' own OAR (make test-batch)")
