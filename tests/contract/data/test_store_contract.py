"""The node store keeps the contract of stores."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("proxystore")

from pilothouse.data.connector import NodeStoreConnector
from pilothouse.testing.stores import DeferrableStoreContract


class TestNodeStore(DeferrableStoreContract):
    @pytest.fixture
    def connector(self, pilot_record: Callable[..., str]) -> NodeStoreConnector:
        return NodeStoreConnector(pilot_record())
