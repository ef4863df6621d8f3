"""K-means of Hadoop on HPC: its three problems, and the one kernel that every way of running them calls.

A part of the points gives sums and counts of its nearest centres; the next centres are made of those of all parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
Centres = npt.NDArray[np.float64]
#: Sums (k, dim) and numbers (k,) of a part's points, by nearest centre.
Sums = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]

DIM = 3
ITERATIONS = 2


class Problem(NamedTuple):
    """So many points and clusters."""

    points: int
    clusters: int

    @property
    def title(self) -> str:
        """As the paper has it."""
        return f"{self.points:,} x {self.clusters:,}"


#: 50 million distances an iteration each; what is shuffled grows with the points.
PROBLEMS = (Problem(10_000, 5_000), Problem(100_000, 500), Problem(1_000_000, 50))


def make(problem: Problem, seed: int = 1) -> tuple[Points, Centres]:
    """Points (n, 3) in a unit cube, and the first of them as first centres (k, 3)."""
    points = np.random.default_rng(seed).random((problem.points, DIM), np.float32)
    return points, points[: problem.clusters].astype(np.float64)


def split(points: Points, parts: int) -> list[Points]:
    """As many parts of one size, but for one point."""
    return [np.ascontiguousarray(part) for part in np.array_split(points, parts)]


def partial(points: Points, centres: Centres) -> Sums:
    """The map unit: what a part of the points says of the next centres."""
    from pilothouse.streams.processors.kmeans_kernel import assign

    sums, counts = np.zeros(centres.shape), np.zeros(len(centres), np.int64)
    assign(points, centres.astype(np.float32), sums, counts)
    return sums, counts


def moved(parts: Iterable[Sums], centres: Centres) -> Centres:
    """The reduce unit: the next centres. One that no point is nearest to stays."""
    all_sums, all_counts = zip(*parts, strict=True)
    sums, counts = np.sum(all_sums, axis=0), np.sum(all_counts, axis=0)[:, None]
    found: Centres = np.divide(sums, counts, out=centres.copy(), where=counts > 0)
    return found


class Solved(NamedTuple):
    """Centres after all iterations; seconds until the points were in place, and of the iterations after that."""

    centres: Centres
    loading: float
    iterating: float


def bare(parts: Sequence[Points], centres: Centres) -> Solved:
    """The kernel on as many threads as there are parts, and nothing around it: the least that any way can take."""
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(len, parts))  # the threads are there
        begun = perf_counter()
        for _ in range(ITERATIONS):
            centres = moved(pool.map(lambda part, at=centres: partial(part, at), parts), centres)
        return Solved(centres, 0.0, perf_counter() - begun)


def of_scikit_learn(points: Points, centres: Centres) -> Solved:
    """The same two steps by scikit-learn, in float64, with all cores.

    Raises
    ------
    ImportError
        It is not installed.
    """
    import warnings

    from sklearn.cluster import KMeans

    model = KMeans(len(centres), init=centres, n_init=1, max_iter=ITERATIONS, tol=0, algorithm="lloyd")
    exact = points.astype(np.float64)
    with warnings.catch_warnings():  # it would like to go on
        warnings.simplefilter("ignore")
        begun = perf_counter()
        model.fit(exact)
    return Solved(model.cluster_centers_, 0.0, perf_counter() - begun)
