"""``python -m pilothouse.pilots.node.keeper NODE SCRIPT END``: a node's job beside a Dask worker, and nothing after it.

The worker has the other end of this process's standard input. When that is closed, by the worker or with it, however
it ends, the job is told to end, and then ended with all that it has started. A batch system would do that. The worker
hears of the job's end; where it has gone before, a file says that nothing is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

#: Seconds that a job may take to end by itself once it was told to: a node hands over and saves what it has.
END_S = 30.0
#: Seconds between two looks at the job.
LOOK_S = 0.2
#: Linux's prctl(2): a signal to a process whose parent ends.
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    with contextlib.suppress(AttributeError, OSError):  # elsewhere than on Linux, a killed keeper leaves its job
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main(node: str, script: str, end: str) -> int:
    """Run the job script of `node` until it ends, or is to; its exit code, of a signal 128 and its number.

    Parameters
    ----------
    end
        The file to write when nothing is left, where the worker may not be there to hear of it.
    """
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    worker = os.getppid()
    job = subprocess.Popen(
        ["/bin/bash", script],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_end_with_parent,  # this process has one thread
    )
    sys.stdout.write(f"{job.pid}\n")
    sys.stdout.flush()
    # The worker's forks may have its end of the pipe: then it is not closed when the worker is killed.
    while job.poll() is None and not told and os.getppid() == worker and not _closed(LOOK_S):
        pass
    by_itself = job.poll() is not None
    _end(job)
    from pilothouse.pilots.node.node import after_death
    from pilothouse.state import write_atomic

    asyncio.run(after_death(node, job.pid))
    code = job.returncode if job.returncode >= 0 else 128 - job.returncode
    if not by_itself or os.getppid() != worker:
        with contextlib.suppress(OSError):  # a full disk, or a pilot that was removed
            write_atomic(Path(end), f"{code}\n".encode())
    return code


def _closed(seconds: float) -> bool:
    """Whether nobody has the other end of the standard input, or nobody after so many seconds."""
    return bool(select.select([0], [], [], seconds)[0]) and not os.read(0, 1)


def _end(job: subprocess.Popen[bytes]) -> None:
    """End what still runs of the job: kindly, then not."""
    if job.poll() is None:
        job.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            job.wait(END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
