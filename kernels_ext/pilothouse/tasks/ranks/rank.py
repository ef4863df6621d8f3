"""What each MPI rank executes: calls the function, leaves what it returned, and ends all ranks when it raises.

``python -m pilothouse.tasks.ranks.rank FOLDER RANKS``
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from pilothouse.errors import Failed, PilothouseError
from pilothouse.state import write_atomic
from pilothouse.tasks.ranks import ends

if TYPE_CHECKING:
    from mpi4py import MPI

#: What launchers tell the ranks that they start, and whose these launchers are.
_LAUNCHERS = {
    "PMI_RANK": "mpich's, Intel's or Slurm's pmi2", "OMPI_COMM_WORLD_RANK": "Open MPI's", "PMIX_RANK": "one with PMIx",
}  # fmt: skip


class Prefixed:
    """A text stream that writes whole lines, each after the rank's number: what ranks print does not mix."""

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self, descriptor: int, prefix: str) -> None:
        self._descriptor, self._prefix = descriptor, prefix
        self._rest = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Take `text`; what of it is whole lines is written."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            self._put(lines)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Take each of `lines`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing to do: a line that has not ended waits for its end."""

    def finish(self) -> None:
        """Write the last line, which has no end."""
        with self._lock:
            self._put([self._rest] if self._rest else [])
            self._rest = ""

    def fileno(self) -> int:
        """Of what it writes to."""
        return self._descriptor

    def isatty(self) -> bool:
        """It is none."""
        return False

    def writable(self) -> bool:
        """It is."""
        return True

    def _put(self, lines: list[str]) -> None:
        data = "".join(f"{self._prefix}{line}\n" for line in lines).encode(self.encoding, self.errors)
        while data:
            data = data[os.write(self._descriptor, data) :]


def world(ranks: int, environment: Mapping[str, str] = os.environ) -> MPI.Intracomm:
    """``MPI.COMM_WORLD``, which has so many ranks.

    Raises
    ------
    Failed
        There is no mpi4py or no MPI, or these and the launcher are of different kinds.
    """
    try:
        import mpi4py

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True  # MPICH ends the process when it meets what it can't do
        from mpi4py import MPI
    except ModuleNotFoundError:
        raise Failed(f"{sys.executable} has no mpi4py: pip install 'pilothouse[mpi]' there") from None
    except (ImportError, RuntimeError) as error:
        raise Failed(
            f"mpi4py of {sys.executable} finds no MPI library ({error}): pip install mpich there, or load the site's"
        ) from None
    library = MPI.Get_library_version().partition("\n")[0].partition(",")[0].strip("\0 ")
    told = [whose for variable, whose in _LAUNCHERS.items() if variable in environment]
    apart = told[:1] == [_LAUNCHERS["OMPI_COMM_WORLD_RANK"]] and "Open MPI" not in library
    if not apart:
        MPI.Init_thread()
        apart = ranks != MPI.COMM_WORLD.Get_size()
    if apart:
        launcher = told[0] if told else "it gives ranks no number"
        raise Failed(
            f"the launcher ({launcher}) and the MPI library of mpi4py ({' '.join(library.split())}) don't belong "
            f"together: there would be {ranks} times rank 0 of 1; name that library's own mpiexec with launcher=, or "
            "have mpi4py find the launcher's library"
        )
    return MPI.COMM_WORLD


def _say(folder: Path, rank: int, error: BaseException) -> None:
    """Leave the error for the user, its words for the supervisor, and its traceback in the log."""
    ours = isinstance(error, PilothouseError)
    inner = error.__traceback__
    while inner is not None and inner.tb_frame.f_code.co_filename == __file__:
        inner = inner.tb_next  # the user's own begins here
    trace = "" if ours else "".join(traceback.format_exception(error.with_traceback(inner))).rstrip()
    text = str(error) if ours else traceback.format_exception_only(error)[-1].strip()
    print(trace or text, file=sys.stderr)  # noqa: T201 - the rank's log
    said = {"rank": rank, "time": time.time(), "text": text, "traceback": trace}
    with contextlib.suppress(Exception):  # many errors don't pickle: there are their words
        from pilothouse.tasks.ranks.packed import store

        store(ends.error(folder, rank), error)
    write_atomic(ends.words(folder, rank), json.dumps(said).encode())


def _call(folder: Path, comm: MPI.Intracomm) -> None:
    from pilothouse.tasks.ranks.packed import load, store

    path = json.loads((folder / ends.PATH).read_bytes())
    sys.path += [entry for entry in path if entry not in sys.path]
    function, arguments = load(folder / ends.CALL, mapped=True)
    found = function(comm, *arguments)
    try:
        store(ends.result(folder, comm.Get_rank()), found)
    except OSError:
        raise
    except Exception as error:
        raise Failed(f"what it returned, a {type(found).__name__}, can't be pickled: {error}") from error


def main() -> None:
    """Be one rank."""
    folder, ranks = Path(sys.argv[1]), int(sys.argv[2])
    rank = next((int(os.environ[name]) for name in _LAUNCHERS if os.environ.get(name, "").isdigit()), 0)
    comm = None
    streams = [Prefixed(1, f"[{rank}] "), Prefixed(2, f"[{rank}] ")]
    sys.stdout, sys.stderr = (cast("TextIO", stream) for stream in streams)
    try:
        (folder / "ranks").mkdir(mode=0o700, exist_ok=True)
        for path in (ends.result(folder, rank), ends.error(folder, rank), ends.words(folder, rank)):
            path.unlink(missing_ok=True)  # of an attempt that its node did not survive
        comm = world(ranks)
        _call(folder, comm)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the other ranks wait for this one
        _say(folder, rank, error)
        for stream in streams:
            stream.finish()
        if comm is not None:
            comm.Abort(1)
        os._exit(1)
    for stream in streams:
        stream.finish()


if __name__ == "__main__":
    main()
