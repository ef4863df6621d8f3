"""What the node processes of both kinds of run do with the pilot's Dask client: cut, and wait for what was sent.

Nothing heavy is imported here: a node process sends work whose meaning only the workers need to know, and these
have MDAnalysis loaded already from the run before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.errors import Conflict
from pilothouse.runs.channel import Channel

#: Shape (n, 2), int64: the position among the analysed frames, and the frame's number.
Part = npt.NDArray[np.int64]

#: Atoms times frames that make a part worth its task: about a second of RMSD.
_WORK = 10_000_000
#: Bounds on the number of parts, for progress and for the scheduler's sake.
_FEWEST, _MOST = 16, 5000


def count_parts(n_frames: int, n_atoms: int) -> int:
    """How many parts to make of `n_frames` frames of `n_atoms` atoms.

    It depends on the input alone, never on the workers, so that sums over parts have the same bits on 1 or 100.
    """
    wanted = -(-int(n_frames) * int(n_atoms) // _WORK)  # some readers count in 32 bits
    return max(1, min(n_frames, max(_FEWEST, min(_MOST, wanted))))


def cut(frames: Sequence[int], n_parts: int) -> list[Part]:
    """The parts that MDAnalysis makes of these frames."""
    numbers = np.array(frames, dtype=np.int64)
    return np.array_split(np.stack([np.arange(len(numbers)), numbers], axis=1), n_parts)


def as_done(client: Any, futures: Sequence[Any], stopping: Callable[[], bool]) -> Iterator[Any]:
    """Yield futures as they finish; on an error or a stop the rest is cancelled.

    Raises
    ------
    Conflict
        `stopping` became true.
    Exception
        What a task raised.
    """
    from distributed import wait

    pending = set(futures)
    try:
        while pending:
            if stopping():
                raise Conflict("the run was stopped before it was done")
            with contextlib.suppress(TimeoutError), client.as_current():
                for future in wait(pending, timeout=0.1, return_when="FIRST_COMPLETED").done:
                    pending.discard(future)
                    if future.status != "finished":
                        future.result()
                    yield future
    except BaseException:
        client.cancel(list(pending), force=True)
        raise


class Progress:
    """Counts what is done, from what was `done` before, and says so: at most ten times a second, and at the end."""

    def __init__(self, channel: Channel, total: int, unit: str, done: int = 0) -> None:
        self.channel, self.total, self.unit = channel, total, unit
        self.done = done
        self.said = float("-inf")
        self(0)

    def __call__(self, more: int) -> None:
        """Count `more`."""
        self.done += more
        now = time.monotonic()
        if now - self.said >= 0.1 or self.done == self.total:
            self.said = now
            self.channel.send({"done": self.done, "total": self.total, "unit": self.unit})
