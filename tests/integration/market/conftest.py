"""Fixtures: a market, and a pilot that will be lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pilothouse as ph
from pilothouse.market.market import Market
from pilothouse.pilots import Pilot


@pytest.fixture(scope="module")
def market(local_pilot: Pilot) -> Iterator[Market]:
    market = ph.market.connect(pilot=local_pilot)
    yield market
    market.close()
    assert market.run is not None
    market.run.stop()


@pytest.fixture
def frail() -> Iterator[Pilot]:
    """A pilot that will be lost."""
    with ph.submit("local", nodes=1, lease="1h").wait(timeout=60) as pilot:
        yield pilot
