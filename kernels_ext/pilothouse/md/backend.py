"""MDAnalysis's split, apply, combine on a pilot: ``AnalysisBase.run(backend=PilotBackend(client))``.

MDAnalysis's own ``backend="dask"`` starts processes on this host whatever client there is. This one sends each
part to the pilot's workers, with recipes in place of Universes, and combines the parts with MDAnalysis's own
aggregators, so that results have the bits of a serial run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from MDAnalysis.analysis.backends import BackendBase

from pilothouse.errors import Conflict, InvalidInput
from pilothouse.md.recipe import Task, pack, unpack
from pilothouse.md.threads import single_threaded

Part = npt.NDArray[np.int64]

#: Atoms times frames that make a part worth its task: about a second of RMSD.
_WORK = 10_000_000
#: Bounds on the number of parts, for progress and for the scheduler's sake.
_FEWEST, _MOST = 32, 5000


def count_parts(n_frames: int, n_atoms: int) -> int:
    """How many parts to make of `n_frames` frames of `n_atoms` atoms.

    It depends on the input alone, never on the workers, so that sums over parts have the same bits on 1 or 100.
    """
    wanted = -(-n_frames * n_atoms // _WORK)
    return max(1, min(n_frames, max(_FEWEST, min(_MOST, wanted))))


@dataclass
class PartResult:
    """What MDAnalysis needs of a part to combine it with the others.

    Attributes
    ----------
    frames, times
        Shape (frames of the part,): frame numbers, and times in ps.
    results
        The analysis's own partial results.
    cpu_s
        CPU seconds that the part took.
    """

    frames: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    results: Any
    cpu_s: float


def compute_part(task: Task, part: Part) -> PartResult:
    """Run one part on a worker: `part` is (n, 2), the position among the analysed frames and the frame number."""
    began = time.thread_time()
    with single_threaded(), unpack(task) as function:
        try:
            analysis = function(part)
        except (OSError, EOFError) as error:
            raise InvalidInput(
                f"trajectory: frames {part[0, 1]} to {part[-1, 1]} can't all be read: {error}", field="trajectory"
            ) from None
        if not np.array_equal(analysis.frames, part[:, 1]):
            raise InvalidInput(
                f"trajectory: {len(part)} frames from frame {part[0, 1]} on were asked for, others were delivered; "
                "the trajectory is truncated",
                field="trajectory",
            )
        return PartResult(analysis.frames, analysis.times, analysis.results, time.thread_time() - began)


class PilotBackend(BackendBase):  # type: ignore[misc]
    """A backend for ``AnalysisBase.run`` that computes on a pilot's Dask workers.

    Parameters
    ----------
    client
        A Dask client of the pilot (``pilot.client()``).
    tick
        Called with the number of frames done, after each part.
    stopping
        Asked several times a second; True cancels what is not yet done.

    Raises
    ------
    Conflict
        From ``run``: `stopping` said so.
    InvalidInput
        From ``run``: a trajectory is missing, changed or truncated, or has coordinates that are not numbers.

    Examples
    --------
    >>> backend = PilotBackend(pilot.client())                      # doctest: +SKIP
    >>> RMSD(universe.atoms).run(                                   # doctest: +SKIP
    ...     backend=backend, unsupported_backend=True, n_parts=32)
    """

    def __init__(
        self, client: Any, *, tick: Callable[[int], None] | None = None, stopping: Callable[[], bool] | None = None
    ) -> None:
        # MDAnalysis makes one part per worker unless told, and warns when there are fewer parts.
        super().__init__(n_workers=1)
        self.client = client
        self.tick = tick or (lambda frames: None)
        self.stopping = stopping or (lambda: False)
        self.cpu_s = 0.0

    def apply(self, func: Callable[[Part], Any], computations: Sequence[Part]) -> list[Any]:
        """``[func(part) for part in computations]``, on the workers, in order.

        MDAnalysis's `func` is its own `_compute` with the analysis bound to it.
        """
        task = pack(_quiet(func))
        parts = [part for part in computations if len(part)]
        if not parts:
            return [func(part) for part in computations]
        data = self.client.scatter([task], direct=False, hash=False)[0]
        futures = [self.client.submit(compute_part, data, part, pure=False) for part in parts]
        for _ in gather_as_done(self.client, futures, self.stopping, self._done):
            pass
        return self.client.gather(futures)  # type: ignore[no-any-return]

    def _done(self, result: PartResult) -> None:
        self.cpu_s += result.cpu_s
        self.tick(len(result.frames))


def _quiet(func: Callable[[Part], Any]) -> Callable[[Part], Any]:
    """Without the progress bar, which would go to the workers' logs."""
    if isinstance(func, partial):
        return partial(func.func, *func.args, **{**func.keywords, "verbose": False})
    return func


def gather_as_done(
    client: Any, futures: Sequence[Any], stopping: Callable[[], bool], done: Callable[[Any], None]
) -> Any:
    """Yield futures as they finish, after `done` has seen each result; on an error or a stop the rest is cancelled.

    Raises
    ------
    Conflict
        `stopping` became true.
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
                    done(future.result())
                    yield future
    except BaseException:
        client.cancel(list(pending), force=True)
        raise
