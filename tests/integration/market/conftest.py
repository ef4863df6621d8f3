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


@pytest.fixture(scope="module")
def _frail() -> Iterator[list[Pilot]]:
    pilots: list[Pilot] = []
    yield pilots
    for pilot in pilots:
        pilot.cancel()


@pytest.fixture
def frail(_frail: list[Pilot]) -> Iterator[Pilot]:
    """A pilot that will be lost; where it recovered from that, it is the next test's, too."""
    if not _frail or _frail[-1].state != "running":
        _frail.append(ph.submit("local", nodes=1, lease="1h"))
    pilot = _frail[-1].wait(timeout=60)
    yield pilot
    if pilot.state == "running":
        for run in pilot.runs():
            run.stop()
