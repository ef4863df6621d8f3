"""MDAnalysis's split, apply, combine on a pilot: ``AnalysisBase.run(backend=PilotBackend(client))``.

MDAnalysis's own ``backend="dask"`` starts processes on this host whatever client there is. This one sends each
part to the pilot's workers, with recipes in place of Universes, and combines the parts with MDAnalysis's own
aggregators, so that results have the bits of a serial run.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from MDAnalysis.analysis.backends import BackendBase

from pilothouse.errors import InvalidInput
from pilothouse.md.parts.gathering import Part, as_done
from pilothouse.md.parts.threads import single_threaded
from pilothouse.md.universes.recipe import Task, pack, unpack


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


def compute_part(task: Task, part: Part, slicing: Mapping[str, Any] | None = None) -> PartResult:
    """Run one part on a worker.

    Parameters
    ----------
    task
        MDAnalysis's own function of a part; or an analysis, whose function it is once it knows its frames.
    part
        Position among the analysed frames and frame number, shape (n, 2).
    slicing
        For an analysis: its frames, as for ``AnalysisBase.run``.
    """
    began = time.thread_time()
    with single_threaded(), unpack(task) as function:
        if slicing is not None:
            function._setup_frames(function._trajectory, **slicing)  # noqa: SLF001 - what AnalysisBase.run does in each part
            function = partial(function._compute, verbose=False)  # noqa: SLF001 - what AnalysisBase gives to its backends
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
        self.tick = tick or (lambda _: None)
        self.stopping = stopping or (lambda: False)

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
        frames = {future: len(part) for future, part in zip(futures, parts, strict=True)}
        for future in as_done(self.client, futures, self.stopping):
            self.tick(frames[future])
        return self.client.gather(futures)  # type: ignore[no-any-return]


def _quiet(func: Callable[[Part], Any]) -> Callable[[Part], Any]:
    """Without the progress bar, which would go to the workers' logs."""
    if isinstance(func, partial):
        return partial(func.func, *func.args, **{**func.keywords, "verbose": False})
    return func


def analyse_part(packed: bytes, parameters: dict[str, Any], part: Part) -> PartResult:
    """One part of a packed analysis, on a worker."""
    return compute_part(pickle.loads(packed), part, _slicing(parameters, [part]))  # noqa: S301 - the user's own


def _slicing(parameters: Mapping[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    """The frames of `parts` as the arguments of ``AnalysisBase.run`` that the user gave."""
    if parameters.get("frames_given") is not None:
        return {"frames": np.concatenate(parts)[:, 1]}
    return {name: parameters[name] for name in ("start", "stop", "step")}


def conclude(
    packed: bytes,
    parameters: dict[str, Any],
    parts: Sequence[Part],
    results: Sequence[PartResult],
    wall_s: float,
    path: str,
) -> None:
    """Combine the parts of an analysis as MDAnalysis does, on a worker, and write the dataset to `path`."""
    from pilothouse.md.analyse.results import describe_files, provenance, to_dataset, write

    task = pickle.loads(packed)  # noqa: S301 - the user's own
    with single_threaded(), unpack(task) as analysis:
        analysis.run(
            **_slicing(parameters, parts),
            backend=_Computed(parts, results), unsupported_backend=True, n_parts=len(parts),
        )  # fmt: skip
        attrs = provenance(
            **{key: value for key, value in parameters.items() if value is not None},
            parts=len(parts),
            wall_s=wall_s,
            cpu_s=sum(result.cpu_s for result in results),
            files=describe_files(task.recipes),
            notes=[note for recipe in task.recipes for note in recipe.notes],
        )
        write(to_dataset(analysis, attrs), Path(path))


class _Computed(BackendBase):  # type: ignore[misc]
    """Stands where a backend does, with what was computed before."""

    def __init__(self, parts: Sequence[Part], results: Sequence[PartResult]) -> None:
        super().__init__(n_workers=1)
        self.parts, self.results = parts, results

    def apply(self, func: Callable[[Part], Any], computations: Sequence[Part]) -> list[Any]:  # noqa: ARG002 - MDAnalysis's protocol; it is computed already
        """The results of `computations`, which must be the parts."""
        if not (len(self.parts) == len(computations) and all(map(np.array_equal, self.parts, computations))):
            raise RuntimeError("MDAnalysis cuts these frames into other parts than were computed")
        return list(self.results)
