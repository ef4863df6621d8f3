"""K-means on a real pilot: every way of running it gives the centres of the kernel alone, to the last bit or nearly."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

import pilothouse as ph
from benchmarks.hadoop_on_hpc.kmeans import Problem
from benchmarks.hadoop_on_hpc.measuring import measure, start_ups
from benchmarks.hadoop_on_hpc.ways import WAYS, Way, lacks
from pilothouse.pilots import Pilot

PROBLEMS = (Problem(5_001, 7),)
BUILT_IN, ENGINES = WAYS[:2], WAYS[2:]


@pytest.fixture(scope="module")
def pilot(_private_places: None) -> Iterator[Pilot]:
    with ph.submit("local", name="ways", nodes=2, cores=1).wait(timeout=60) as made:
        yield made


def check(pilot: Pilot, way: Way) -> None:
    found = measure(pilot, way, PROBLEMS, repeats=1, units=1)
    assert found.reason == ""
    assert found.unit > 0
    assert found.start_up > 0
    assert list(found.cases) == list(PROBLEMS)
    for case in found.cases.values():
        assert case.difference <= 1e-12
        assert case.iterating > 0
        assert case.whole > case.iterating
    assert [run.name for run in pilot.runs() if not run.state.ended] == []


@pytest.mark.parametrize("way", BUILT_IN, ids=lambda way: way.name)
def test_centres_are_those_of_the_kernel(pilot: Pilot, way: Way) -> None:
    check(pilot, way)


@pytest.mark.engines
@pytest.mark.timeout(400)
@pytest.mark.parametrize("way", ENGINES, ids=lambda way: way.name)
def test_centres_on_engines_are_those_of_the_kernel(pilot: Pilot, way: Way) -> None:
    if missing := lacks(*way.needs):
        pytest.skip(f"{missing} is not installed")
    check(pilot, way)


def test_a_pilot_is_started_and_extended_and_what_is_not_installed_has_no_figures() -> None:
    ours, other = start_ups(["dask", "no-such"], repeats=1)
    assert ours.extended > 0
    assert ours.started > 0
    assert other.reason == "engine no-such is not installed"
    assert math.isnan(other.started)
