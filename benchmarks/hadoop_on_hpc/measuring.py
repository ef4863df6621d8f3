"""Measure k-means in all ways on one pilot, each in turn with the kernel alone; and what engines take to start."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.hadoop_on_hpc.kmeans import ITERATIONS, PROBLEMS, Problem, Solved, bare, make, of_scikit_learn, split
from benchmarks.hadoop_on_hpc.ways import PATIENCE_S, WAYS, Ready, Way, lacks
from pilothouse.errors import InvalidInput, PilothouseError, Refused, Unavailable

if TYPE_CHECKING:
    import xarray

    from pilothouse import Pilot

NODES = 2
#: Errors of what is not installed, or must not be on this host; others are failures.
ABSENT = (InvalidInput, Refused, Unavailable)
#: A first problem: after it, every worker has loaded what it needs.
WARMING = Problem(1_000, 10)


class Case(NamedTuple):
    """What a problem took: medians in seconds.

    Attributes
    ----------
    loading, iterating
        Until the points were in place, and of the iterations after that.
    kernel
        The iterations by the kernel alone, in turn with those.
    difference
        Of any coordinate of a centre from the kernel's alone, at most.
    """

    loading: float
    iterating: float
    kernel: float
    difference: float

    @property
    def whole(self) -> float:
        """Time to completion."""
        return self.loading + self.iterating


class Measured(NamedTuple):
    """A way. When it can't be had, `reason` says why, and there are no figures.

    Attributes
    ----------
    broken
        What should have started did not.
    pilot
        Seconds from asking for the pilot to its nodes' being there.
    start_up
        Seconds from asking for the way on that pilot to its first unit's first line.
    unit
        Median seconds from asking for a unit to its first line.
    cases
        By problem.
    """

    name: str
    title: str
    reason: str = ""
    pilot: float = float("nan")
    start_up: float = float("nan")
    unit: float = float("nan")
    cases: Mapping[Problem, Case] = MappingProxyType({})
    broken: bool = False


def measure(
    pilot: Pilot, way: Way, problems: Sequence[Problem] = PROBLEMS, *, repeats: int = 3, units: int = 5
) -> Measured:
    """Start `way` on a ready pilot, take it through all problems, and stop it."""
    if missing := lacks(*way.needs):
        return Measured(way.name, way.title, f"{missing} is not installed")
    with contextlib.ExitStack() as stack:
        begun = perf_counter()
        try:
            ready = stack.enter_context(way.started(pilot))
        except PilothouseError as error:
            return Measured(way.name, way.title, _first(error), broken=not isinstance(error, ABSENT))
        ready.unit()
        start_up = perf_counter() - begun
        unit = statistics.median(ready.unit() for _ in range(units))
        parts = len(pilot.nodes)
        _case(ready, WARMING, parts, 1)
        cases = {problem: _case(ready, problem, parts, repeats) for problem in problems}
    return Measured(way.name, way.title, start_up=start_up, unit=unit, cases=cases)


def _case(ready: Ready, problem: Problem, parts: int, repeats: int) -> Case:
    points, first = make(problem)
    pieces = split(points, parts)
    pairs = [(ready.solve(pieces, first), bare(pieces, first)) for _ in range(repeats)]
    return Case(
        statistics.median(ours.loading for ours, _ in pairs),
        statistics.median(ours.iterating for ours, _ in pairs),
        statistics.median(alone.iterating for _, alone in pairs),
        max(float(np.abs(ours.centres - alone.centres).max()) for ours, alone in pairs),
    )


def oracle(problem: Problem) -> tuple[float, float] | None:
    """The largest difference of the kernel's centres from scikit-learn's, and what that took; None without it."""
    points, first = make(problem)
    try:
        theirs: Solved = of_scikit_learn(points, first)
    except ImportError:
        return None
    ours = bare(split(points, NODES), first)
    return float(np.abs(ours.centres - theirs.centres).max()), theirs.iterating


def everything(
    ways: Sequence[Way] = WAYS, problems: Sequence[Problem] = PROBLEMS, *, repeats: int = 3, units: int = 5
) -> list[Measured]:
    """All `ways`, one after the other, on a pilot of this host with two nodes of one core."""
    import pilothouse as ph

    begun = perf_counter()
    with ph.submit("local", nodes=NODES, cores=1).wait(timeout=PATIENCE_S) as pilot:
        there = perf_counter() - begun
        found = [measure(pilot, way, problems, repeats=repeats, units=units) for way in ways]
    return [way._replace(pilot=there) for way in found]


def dataset(measured: Sequence[Measured]) -> xarray.Dataset:
    """As a table: by way and scenario; not a number where a way could not be had."""
    import xarray

    problems = list(dict.fromkeys(problem for way in measured for problem in way.cases))
    nothing = Case(*[float("nan")] * 4)
    seconds = {"units": "s"}

    def by_case(field: str) -> tuple[tuple[str, str], list[list[float]], dict[str, str]]:
        values = [[getattr(way.cases.get(problem, nothing), field) for problem in problems] for way in measured]
        return ("way", "scenario"), values, seconds

    return xarray.Dataset(
        {
            "completion": by_case("whole"),
            "iterating": by_case("iterating"),
            "kernel": by_case("kernel"),
            "pilot": ("way", [way.pilot for way in measured], seconds),
            "start_up": ("way", [way.start_up for way in measured], seconds),
            "unit": ("way", [way.unit for way in measured], seconds),
            "reason": ("way", [way.reason for way in measured]),
        },
        coords={"way": [way.title for way in measured], "scenario": [problem.title for problem in problems]},
        attrs={"iterations": ITERATIONS, "nodes": NODES, "cores": NODES},
    )


# ---------------------------------------------------------------------- engines


class StartUp(NamedTuple):
    """An engine: seconds until one node of it serves, and until another one does, too; or why it can't be had."""

    engine: str
    title: str
    reason: str = ""
    started: float = float("nan")
    extended: float = float("nan")
    broken: bool = False


def start_ups(engines: Sequence[str] = ("dask", "kafka", "spark"), repeats: int = 3) -> list[StartUp]:
    """Start-up and extension by a node of engines of Pilot-Streaming; Dask is what a pilot itself has."""
    import pilothouse as ph

    found = []
    with ph.submit("local", nodes=NODES, cores=1).wait(timeout=PATIENCE_S) as pilot:
        for engine in engines:
            if engine != "dask" and (missing := lacks(f"engine {engine}")):
                found.append(StartUp(engine, engine, f"{missing} is not installed"))
                continue
            try:
                pairs = [_dask() if engine == "dask" else _engine(pilot, engine) for _ in range(repeats)]
            except PilothouseError as error:
                broken = not isinstance(error, ABSENT)
                found.append(StartUp(engine, _title(engine), _first(error), broken=broken))
                continue
            started, extended = (statistics.median(column) for column in zip(*pairs, strict=True))
            found.append(StartUp(engine, _title(engine), "", started, extended))
    return found


def _engine(pilot: Pilot, engine: str) -> tuple[float, float]:
    begun = perf_counter()
    service = pilot.start(engine, nodes=1)
    try:
        service.wait(timeout=PATIENCE_S)
        started = perf_counter()
        service.extend(1).wait(timeout=PATIENCE_S)
        return started - begun, perf_counter() - started
    finally:
        service.stop(timeout=60)


def _dask() -> tuple[float, float]:
    """A pilot with one node to its first task, and another node to a task there."""
    import pilothouse as ph

    begun = perf_counter()
    with ph.submit("local", nodes=1, cores=1).wait(timeout=PATIENCE_S) as pilot:
        pilot.client().submit(int, pure=False).result(timeout=PATIENCE_S)
        started = perf_counter()
        node = pilot.extend(1).wait(timeout=PATIENCE_S).nodes[-1]
        pilot.client().submit(int, workers=[node.name], pure=False).result(timeout=PATIENCE_S)
        return started - begun, perf_counter() - started


def _first(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _title(engine: str) -> str:
    from pilothouse.engines.loading import engine as engine_of

    return "a pilot with Dask" if engine == "dask" else engine_of(engine).title
