"""``pilot.mpi``: Python functions on real MPI ranks, on one node and across nodes."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Failed
from pilothouse.pilots import Pilot
from pilothouse.tasks.ranks.handle import Ranks
from tests.waiting import eventually


@pytest.fixture(scope="module")
def wide_pilot(_private_places: None) -> Iterator[Pilot]:
    """Two nodes of two cores each, on one host."""
    with ph.submit("local", name="ranks", nodes=2, cores=2).wait(timeout=60) as pilot:
        yield pilot


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """However ranks end, Hydra leaves no file: it would not make it in the node's own temporary folder, but here."""
    before = set(Path("/tmp").glob("hydra_*"))
    yield
    assert set(Path("/tmp").glob("hydra_*")) <= before


def test_ranks_over_nodes_return_a_list_in_their_order(wide_pilot: Pilot) -> None:
    factor = np.arange(200_000.0)

    def work(comm: Any, factor: Any, offset: int) -> tuple[Any, int]:
        factor += comm.rank  # its own
        print("here is", comm.rank, end="")
        assert "HWLOC_XMLFILE" not in os.environ  # what the launcher is told is not for ranks
        return factor[-1], comm.allreduce(comm.rank + offset)

    run = wide_pilot.mpi(functools.partial(work, offset=1), factor, ranks=4)
    assert run.result(timeout=60) == [(199_999.0 + rank, 10) for rank in range(4)]
    assert sorted(run.stdout().splitlines()) == [f"[{rank}] here is {rank}" for rank in range(4)]
    assert len({event["node"] for event in run.events() if event["what"] == "process started"}) == 2
    found = ph.attach(run.name)
    assert isinstance(found, Ranks)
    assert found.result() == run.result()


def test_arrays_that_ranks_return_can_be_written_to(wide_pilot: Pilot) -> None:
    async def awaited() -> list[Any]:
        return list(await wide_pilot.mpi(lambda comm, n: np.full(n, comm.rank), 100_000, ranks=2))

    found = asyncio.run(awaited())
    found[1] += 1
    assert [int(array.sum()) for array in found] == [0, 200_000]


def test_modules_beside_the_notebook_are_found(
    wide_pilot: Pilot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_the_notebook.py").write_text("def size(comm):\n    return comm.size\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import beside_the_notebook  # type: ignore[import-not-found]

    assert wide_pilot.mpi(beside_the_notebook.size, ranks=2).result(timeout=60) == [2, 2]


@pytest.mark.parametrize("ranks", [2, 4])
def test_an_error_on_a_rank_ends_all_and_is_told_with_its_traceback(wide_pilot: Pilot, ranks: int) -> None:
    def work(comm: Any) -> None:
        if comm.rank == comm.size - 1:
            raise ZeroDivisionError("no such frame")
        comm.barrier()

    run = wide_pilot.mpi(work, ranks=ranks)
    with pytest.raises(Failed, match=f"work: rank {ranks - 1} of {ranks}: ZeroDivisionError: no such frame") as caught:
        run.result(timeout=60)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert 'raise ZeroDivisionError("no such frame")' in str(caught.value) or "in work" in str(caught.value)
    assert "_call" not in str(caught.value)  # the traceback is the user's alone
    assert f"[{ranks - 1}] ZeroDivisionError: no such frame" in run.stderr()


def test_a_rank_that_dies_is_named(wide_pilot: Pilot) -> None:
    def work(comm: Any) -> None:
        if comm.rank == 1:
            os.kill(os.getpid(), 11)
        comm.barrier()

    with pytest.raises(Failed, match="rank 1: it was ended by SIGSEGV"):
        wide_pilot.mpi(work, ranks=2).result(timeout=60)


def test_what_is_returned_and_can_not_be_pickled_is_named(wide_pilot: Pilot) -> None:
    with pytest.raises(Failed, match="rank 0 of 1: what it returned, a lock, can't be pickled"):
        wide_pilot.mpi(lambda comm: __import__("threading").Lock(), ranks=1).result(timeout=60)


def test_stop_ends_the_ranks(wide_pilot: Pilot) -> None:
    def work(comm: Any) -> None:
        Path(f"rank-{comm.rank}").write_text(str(os.getpid()))
        __import__("time").sleep(300)

    run = wide_pilot.mpi(work, ranks=2)
    pids = [int(eventually((run.work / f"rank-{rank}").read_text, f"rank {rank}")) for rank in range(2)]
    ranks = [psutil.Process(pid) for pid in pids]
    run.stop()
    assert not any(remains.is_running(rank) for rank in ranks)
    with pytest.raises(Failed, match="was stopped"):
        run.result()


def test_it_is_tried_again_with_its_function(wide_pilot: Pilot, tmp_path: Path) -> None:
    def work(comm: Any, mark: Path) -> int:
        if not mark.exists():
            mark.touch()
            raise OSError("not yet")
        return int(os.environ["PILOTHOUSE_ATTEMPT"])

    assert wide_pilot.mpi(work, tmp_path / "one", ranks=1, retries=1).result(timeout=60) == [2]
    run = wide_pilot.mpi(work, tmp_path / "two", ranks=1)
    with pytest.raises(Failed, match="OSError: not yet"):
        run.result(timeout=60)
    assert run.retry().result(timeout=60) == [1]


@pytest.mark.parametrize(
    ("variables", "whose"), [("OMPI_COMM_WORLD_RANK=$i", r"\(Open MPI's\)"), ("X=", r"\(it gives ranks no number\)")]
)
def test_a_launcher_of_another_mpi_is_refused(wide_pilot: Pilot, tmp_path: Path, variables: str, whose: str) -> None:
    other = tmp_path / "mpiexec-of-another"  # a real one starts the ranks in the same way
    other.write_text(f'#!/bin/sh\nshift 2\nfor i in 0 1; do {variables} "$@" & done\nwait\n')
    other.chmod(0o755)
    with pytest.raises(Failed, match=f"launcher {whose} and the MPI library of mpi4py .* don't belong together"):
        wide_pilot.mpi(lambda comm: 1, ranks=2, launcher=str(other)).result(timeout=60)


def test_it_takes_the_mpi_of_its_own_environment(wide_pilot: Pilot) -> None:
    def launcher(comm: Any) -> str:
        return next(exe for parent in psutil.Process().parents() if "hydra" in (exe := parent.exe()))

    (found,) = wide_pilot.mpi(launcher, ranks=1).result(timeout=60)
    assert Path(found).parent == Path(sys.executable).parent
