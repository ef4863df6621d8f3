"""``python -m pilothouse.pilots.node.keeper NODE SCRIPT MARK``: a node's job beside a Dask worker, and no more.

The worker has the other end of this process's standard input. When that is closed, by the worker or with it, however
it ends, the job is told to end, and then ended with all that it has started. A batch system would do that. The worker
hears of the job's end; for who can't ask it any more, a file that was made for the job goes when nothing is left.
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


def main(node: str, script: str, mark: str) -> int:
    """Run the job script of `node` until it ends, or is to; its exit code, of a signal 128 and its number.

    Parameters
    ----------
    mark
        The file to remove when nothing is left.
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
    _end(job)
    from pilothouse.pilots.node.node import after_death

    asyncio.run(after_death(node, job.pid))
    with contextlib.suppress(OSError):  # the pilot was removed, or its file system is not there
        Path(mark).unlink()
    return job.returncode if job.returncode >= 0 else 128 - job.returncode


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
