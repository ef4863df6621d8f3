"""Python functions on MPI ranks: what is refused before anything starts, what ranks print, how arrays travel."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.state import write_atomic
from pilothouse.tasks import mpi
from pilothouse.tasks.ranks import ends
from pilothouse.tasks.ranks.call import MPI
from pilothouse.tasks.ranks.packed import load, pieces
from pilothouse.tasks.ranks.rank import Prefixed


class NoPilot(MPI):
    """Nothing may be asked of it."""


@pytest.mark.parametrize(
    ("function", "args", "options", "field", "says"),
    [
        (lambda comm: None, (1,), {"ranks": 2}, "function", r"is called as <lambda>\(comm, \*args\).*too many"),
        (lambda: None, (), {"ranks": 2}, "function", r"comm is MPI\.COMM_WORLD"),
        ("hostname", (), {"ranks": 2}, "function", "something that can be called"),
        (lambda comm: None, (), {"ranks": 0}, "ranks", "1 or more"),
        (lambda comm: None, (), {"ranks": True}, "ranks", "1 or more"),
        (lambda comm: None, (), {"ranks": 2, "cores": 0}, "cores", "cores=0"),
    ],
)
def test_what_can_not_be_is_refused_at_once(
    function: Any, args: tuple[Any, ...], options: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        NoPilot().mpi(function, *args, **options)
    assert caught.value.field == field


def test_what_can_not_be_pickled_is_named() -> None:
    with pytest.raises(InvalidInput, match="function=work: it, or one of args, can't be pickled"):

        def work(comm: Any, lock: Any) -> None: ...

        NoPilot().mpi(work, threading.Lock(), ranks=1)


def test_large_arrays_are_written_from_where_they_lie_and_mapped(tmp_path: Path) -> None:
    array = np.arange(1_000_000.0)
    parts = pieces({"array": array, "twice": lambda x: 2 * x})
    assert any(np.shares_memory(np.frombuffer(part, np.uint8), array) for part in parts if part.nbytes == array.nbytes)
    file = tmp_path / "packed"
    write_atomic(file, parts)
    mapped, again, read = load(file, mapped=True), load(file, mapped=True), load(file)
    mapped["array"][0] = 7.0  # for itself alone
    assert [each["array"][0] for each in (mapped, again, read)] == [7.0, 0.0, 0.0]
    assert read["array"].flags.writeable
    assert read["array"].ctypes.data % 16 == 0
    np.testing.assert_array_equal(read["array"], array)
    assert read["twice"](4) == 8


def test_ranks_print_whole_lines_after_their_number() -> None:
    read, write = os.pipe()
    stream = Prefixed(write, "[3] ")
    print("first", "line", file=stream)  # type: ignore[call-overload]
    stream.write("no end")
    stream.flush()
    os.set_blocking(read, False)
    assert os.read(read, 100) == b"[3] first line\n"
    stream.finish()
    assert os.read(read, 100) == b"[3] no end\n"
    os.close(read)
    os.close(write)


def test_the_first_error_is_told(tmp_path: Path) -> None:
    assert ends.first(tmp_path) is None
    (tmp_path / "ranks").mkdir()
    for rank, when in ((0, 2.0), (5, 1.0)):
        ends.words(tmp_path, rank).write_text(json.dumps({"rank": rank, "time": when}))
    (tmp_path / "ranks" / "7.json").write_text("{")  # its rank was ended as it wrote
    found = ends.first(tmp_path)
    assert found is not None
    assert found["rank"] == 5


def test_open_mpi_takes_the_cores_that_the_pilot_gives() -> None:
    told = mpi.of_open_mpi({"PRTE_MCA_rmaps_default_mapping_policy": "core"}, root=False)
    assert told["PRTE_MCA_hwloc_default_binding_policy"] == "none"
    assert "PRTE_MCA_rmaps_default_mapping_policy" not in told  # the site's own
    assert "OMPI_ALLOW_RUN_AS_ROOT" not in told
    assert mpi.of_open_mpi({}, root=True)["PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"
