"""Pilots on Grid Engine."""

from __future__ import annotations

import pytest

from pilothouse.testing.pilots import PilotContract
from tests.gridengine.cluster import NODES, SLOTS

pytestmark = pytest.mark.gridengine


class TestGridEngine(PilotContract):
    system = "gridengine"
    hosts = NODES
    cores = SLOTS
    delete = "qdel"

    def check_waiting(self, reason: str) -> None:
        assert "no slots are free" in reason
