"""Python functions on MPI ranks, beside the bare launcher: from the call to the results, on a pilot that is ready."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.home import own_home
from benchmarks.rows import Row, compare, missing, within

RUNS = 7
PEER = "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))"


def rows() -> list[Row]:
    """Measure."""
    if not find_spec("mpi4py"):
        return [missing("MPI", "mpi4py")]
    with own_home():
        return _rows()


def _rows() -> list[Row]:
    import pilothouse as ph

    with ph.submit("local", name="mpi", nodes=2, cores=2).wait(timeout=60) as pilot:

        def ours(ranks: int) -> None:
            assert pilot.mpi(lambda comm: comm.allreduce(1), ranks=ranks).result(timeout=60) == [ranks] * ranks

        ours(2)  # what is read for the first time is read from the disk
        two, bare, four = _in_turn(lambda: ours(2), _bare, lambda: ours(4))
    return [
        within("MPI, 2 ranks: call to results (s)", two, 0.5),
        compare("MPI, 2 ranks: beside mpiexec and mpi4py from a shell (s)", two, bare),
        within("MPI, 4 ranks on 2 nodes: call to results (s)", four, 1.0),
    ]


def _bare() -> None:
    beside = Path(sys.executable).with_name("mpiexec")
    command = str(beside) if beside.exists() else "mpiexec"
    subprocess.run([command, "-n", "2", sys.executable, "-c", PEER], check=True, capture_output=True)


def _in_turn(*rivals: Callable[[], Any]) -> list[float]:
    """The median seconds of each."""
    seconds: list[list[float]] = [[] for _ in rivals]
    for _ in range(RUNS):
        for rival, found in zip(rivals, seconds, strict=True):
            begun = time.perf_counter()
            rival()
            found.append(time.perf_counter() - begun)
    return [statistics.median(found) for found in seconds]
