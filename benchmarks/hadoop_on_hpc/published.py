"""What the papers, and the notebooks that their authors published with them, say; seconds.

Hadoop on HPC: arXiv:1602.00345. Pilot-Streaming: arXiv:1801.08648.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.hadoop_on_hpc.kmeans import PROBLEMS, Problem

if TYPE_CHECKING:
    import xarray

TASKS = (8, 16, 32)
#: Machine and backend -> number of tasks, which is that of cores -> time to completion of each of `PROBLEMS`: from the
#: first stage-in to the last unit's end, mean of three runs.
COMPLETION = {
    "Stampede, RP": ((2159, 2155, 2147), (1192, 1169, 1152), (878, 859, 911)),
    "Stampede, RP-YARN": ((1703, 1708, 1696), (976, 984, 1017), (579, 587, 682)),
    "Stampede, RP-Spark": ((1586, 1569, 1609), (929, 902, 913), (931, 913, 926)),
    "Wrangler, RP": ((1498, 1494, 1488), (943, 962, 914), (660, 656, 640)),
    "Wrangler, RP-YARN": ((1522, 1544, 1677), (845, 855, 835), (505, 501, 518)),
}
#: Which of the paper's backends a way of ours is the successor of.
SUCCESSORS = {"dask": "RP", "mpi": "RP", "yarn": "RP-YARN", "spark": "RP-Spark"}
#: Delay from a unit's submission to its running, means: the least and the most.
UNITS = {"RP": (0.0, 0.0), "RP-YARN": (9.0, 25.0)}
#: Set-up of a pilot and its backend.
SET_UP = {
    "Stampede, RP": (33.2, 55.3),
    "Stampede, RP-YARN": (110.0, 146.0),
    "Wrangler, RP": (31.3, 34.3),
    "Wrangler, RP-YARN": (85.3, 88.9),
}
#: Start-up of engines of one or two nodes with Pilot-Streaming, on Wrangler and at LRZ.
STARTED = {
    "kafka": (21.8, 25.8),
    "spark": (22.3, 23.3, 23.7, 27.7, 29.3, 30.6, 54.5),
    "dask": (5.4, 6.3, 10.1, 17.1),
}
#: Another node for a running one.
EXTENDED = {"kafka": (18.8,), "spark": (16.2,)}


def completion() -> xarray.DataArray:
    """The paper's table: time to completion by backend, tasks and scenario."""
    import xarray

    return xarray.DataArray(
        np.array(list(COMPLETION.values()), dtype=float),
        coords={
            "backend": list(COMPLETION),
            "tasks": list(TASKS),
            "scenario": [problem.title for problem in PROBLEMS],
        },
        dims=("backend", "tasks", "scenario"),
        name="completion",
        attrs={"units": "s", "source": "arXiv:1602.00345", "long_name": "time to completion"},
    )


def completed(way: str, problem: Problem) -> str:
    """In words: what those before `way` took for `problem`, on which machine."""
    backend = SUCCESSORS.get(way)
    if backend is None or problem not in PROBLEMS:
        return ""
    at = PROBLEMS.index(problem)
    found = []
    for name, table in COMPLETION.items():
        machine, _, kind = name.partition(", ")
        if kind == backend:
            found.append(f"{machine} {range_of([line[at] for line in table])}")
    return f"{backend}, 8-32 cores: {'; '.join(found)}" if found else ""


def units(way: str) -> str:
    """The same for the delay of a unit."""
    backend = SUCCESSORS.get(way, "")
    return f"{backend}: {range_of(UNITS[backend])}" if backend in UNITS else ""


def set_up(way: str) -> str:
    """The same for the set-up of a pilot, and of the backend where it is one that has to be started."""
    backend = SUCCESSORS.get(way, "")
    found = [(name.partition(", "), seconds) for name, seconds in SET_UP.items()]
    said = [f"{machine} {range_of(seconds)}" for (machine, _, kind), seconds in found if kind == backend]
    return f"{backend}: {'; '.join(said)}" if said else ""


def engine_set_up(way: str) -> str:
    """The same where there is a backend to start; its pilot is in the figures."""
    said = set_up(way) if SUCCESSORS.get(way) != "RP" else ""
    return f"with the pilot, {said}" if said else ""


def started(engine: str) -> str:
    """What Pilot-Streaming took to start an engine."""
    return f"Wrangler, LRZ: {range_of(STARTED[engine])}" if engine in STARTED else ""


def extended(engine: str) -> str:
    """What it took to extend one by a node."""
    return f"Wrangler, LRZ: {range_of(EXTENDED[engine])}" if engine in EXTENDED else ""


def range_of(seconds: tuple[float, ...] | list[int]) -> str:
    """From the least to the most."""
    least, most = min(seconds), max(seconds)
    return f"{least:g} s" if least == most else f"{least:g}-{most:g} s"
