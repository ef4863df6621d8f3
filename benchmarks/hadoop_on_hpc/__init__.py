"""K-means of Hadoop on HPC (arXiv:1602.00345) on Dask, Spark, YARN containers, Ray and MPI, with one kernel.

Each way is beside that kernel on as many threads and without any framework, in the same run. What the papers measured
stands by, with its machine: these are other machines, a decade older, and no bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.hadoop_on_hpc import published
from benchmarks.hadoop_on_hpc.kmeans import PROBLEMS
from benchmarks.rows import Row, compare, missing, within

if TYPE_CHECKING:
    from benchmarks.hadoop_on_hpc.measuring import Measured, StartUp

#: Ways add up the same sums; scikit-learn does so in another order, on points that it has centred.
SAME, ORACLE = 1e-12, 1e-9
#: Seconds for each problem, points loaded, through a warm pilot.
WARM_S = 1.0


def rows() -> list[Row]:
    """Measure everything, one thing after the other."""
    from benchmarks.hadoop_on_hpc.measuring import everything, start_ups
    from benchmarks.home import own_home

    with own_home():
        measured = everything(repeats=7, units=7)
        pilot = _seconds("a pilot with two nodes, ready (s)", measured[0].pilot, published.set_up("dask"))
        return [*_oracle(), pilot, *(row for way in measured for row in of_way(way)), *of_engines(start_ups())]


def _oracle() -> list[Row]:
    from benchmarks.hadoop_on_hpc.measuring import oracle

    found = []
    for problem in PROBLEMS:
        said = oracle(problem)
        metric = f"kernel alone, {problem.title}: largest difference of a centre from scikit-learn's"
        found.append(missing(metric, "scikit-learn") if said is None else within(metric, said[0], ORACLE))
    return found


def of_way(way: Measured) -> list[Row]:
    """A way's rows; one that says why when it can't be had, and does not hold when it should have been."""
    if way.reason:
        return [Row(f"{way.title}: {way.reason}", None, None, None, None, not way.broken)]
    found = [
        _seconds(f"{way.title}: start-up on a ready pilot (s)", way.start_up, published.engine_set_up(way.name)),
        _seconds(f"{way.title}: from asking for a unit to its running (s)", way.unit, published.units(way.name)),
    ]
    for problem, case in way.cases.items():
        name = f"{way.title}, {problem.title}"
        told = published.completed(way.name, problem)
        bound = WARM_S if way.name == "dask" else None
        holds = bound is None or case.whole <= bound
        found += [
            compare(f"{name}: 2 iterations, beside the kernel alone (s)", case.iterating, case.kernel),
            Row(f"{name}: the same, points loaded (s)", case.whole, None, None, bound, holds, told),
        ]
    if way.cases:
        most = max(case.difference for case in way.cases.values())
        found.append(within(f"{way.title}: largest difference of a centre from the kernel's alone", most, SAME))
    return found


def of_engines(found: Sequence[StartUp]) -> list[Row]:
    """Start-up and extension of engines."""
    told = []
    for each in found:
        if each.reason:
            told.append(Row(f"{each.title}: {each.reason}", None, None, None, None, not each.broken))
            continue
        told += [
            _seconds(f"{each.title}: one node serves (s)", each.started, published.started(each.engine)),
            _seconds(f"{each.title}: extended by one (s)", each.extended, published.extended(each.engine)),
        ]
    return told


def _seconds(metric: str, ours: float, told: str) -> Row:
    """A figure that nothing is promised of."""
    return Row(metric, ours, None, None, None, True, told)
