"""The node store of a test, as the unit tests of data have it."""

from __future__ import annotations

from tests.unit.data.conftest import node_store, pilot_record

__all__ = ["node_store", "pilot_record"]
