"""Pilots on OAR."""

from __future__ import annotations

import pytest

from pilothouse.testing.pilots import PilotContract
from tests.oar.cluster import CORES, NODES

pytestmark = pytest.mark.oar


class TestOAR(PilotContract):
    system = "oar"
    hosts = NODES
    cores = CORES
    delete = "oardel"
    polls = 1.0, 3.0

    def check_waiting(self, reason: str) -> None:
        assert reason == "no resources that fit are free"
