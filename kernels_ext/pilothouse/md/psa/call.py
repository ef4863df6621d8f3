"""``ph.md.psa``: how similar are paths? Hausdorff and discrete Fréchet distances between all pairs, on a pilot."""

from __future__ import annotations

import io
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pilothouse.errors import InvalidInput
from pilothouse.md.parts.driving import TASK

if TYPE_CHECKING:
    import xarray

    from pilothouse.pilots import Pilot
    from pilothouse.runs.handle import Run

METRICS = ("hausdorff", "frechet")


@dataclass(frozen=True)
class Source:
    """Where a worker gets one path from.

    Attributes
    ----------
    file
        An array in the run's folder; or empty.
    task
        A packed AtomGroup (:class:`pilothouse.md.universes.recipe.Task`); or None.
    frames
        First, end and step of its frames.
    """

    file: str
    task: Any
    frames: tuple[int, int, int]


class PSA:
    """The callable ``ph.md.psa``; ``ph.md.psa.submit`` returns the run instead of waiting."""

    def __call__(
        self,
        trajectories: Sequence[Any],
        select: str | None = None,
        *,
        pilot: Pilot | None = None,
        labels: Sequence[str] | None = None,
        metric: str = "hausdorff",
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        name: str | None = None,
    ) -> xarray.Dataset:
        """Path similarity analysis: the distances between all pairs of trajectories.

        Parameters
        ----------
        trajectories
            At least two of: an MDAnalysis Universe or AtomGroup; an array of shape (frames, atoms, 3), floating
            point or integer, Å. All with the same number of atoms, all aligned to one reference beforehand: there
            is no fit per pair, which would break the triangle inequality.
        select
            MDAnalysis selection, applied to each Universe or AtomGroup; all atoms by default.
        pilot
            Where to compute; by default the local pilot, which is started if need be.
        labels
            One for each trajectory; by default the names of their files.
        metric
            ``"hausdorff"``, or ``"frechet"`` for the discrete Fréchet distance beside it.
        start, stop, step
            Which frames of each trajectory.
        name
            Of the run.

        Returns
        -------
        xarray.Dataset
            ``hausdorff`` (trajectory, trajectory_2), float64, Å; ``hausdorff_frame_a`` and ``hausdorff_frame_b``,
            the frames of the first and the second trajectory whose distance it is; ``frechet`` if asked for.

        Raises
        ------
        InvalidInput
            Too few trajectories, different numbers of atoms, an empty selection, no frames, coordinates that are
            not numbers, a missing or truncated file: nothing was launched.

        Examples
        --------
        >>> distances = ph.md.psa([universe_1, universe_2], select="name CA")   # doctest: +SKIP
        >>> ph.md.heatmap(distances)                                            # doctest: +SKIP
        """
        run = self.submit(
            trajectories,
            select,
            pilot=pilot,
            labels=labels,
            metric=metric,
            start=start,
            stop=stop,
            step=step,
            name=name,
        )
        return run.result()  # type: ignore[no-any-return]

    def submit(
        self,
        trajectories: Sequence[Any],
        select: str | None = None,
        *,
        pilot: Pilot | None = None,
        labels: Sequence[str] | None = None,
        metric: str = "hausdorff",
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        name: str | None = None,
    ) -> Run:
        """Launch the comparison and return its run at once; ``run.result()`` or ``await run`` is the dataset."""
        if metric not in METRICS:
            raise InvalidInput(f"metric={metric!r}: take one of {', '.join(METRICS)}", field="metric")
        given = list(trajectories)
        if len(given) < 2:
            raise InvalidInput(f"trajectories: {len(given)} given, at least two are compared", field="trajectories")
        groups = [_group(item, select, i) for i, item in enumerate(given)]
        atoms = [group.shape[1] if isinstance(group, np.ndarray) else len(group) for group in groups]
        chosen = _labels(groups, labels)
        _check_atoms(atoms, chosen)
        files: dict[str, bytes] = {}
        sources = [_source(group, i, (start, stop, step), files) for i, group in enumerate(groups)]
        parameters = {
            "metric": metric,
            "select": select,
            "labels": chosen,
            "atoms": atoms[0],
            "frames": [len(range(*source.frames)) for source in sources],
            "first_frames": [source.frames[0] for source in sources],
            "step": sources[0].frames[2],
            "sources": [_file_of(group) or "array" for group in groups],
        }
        # Packed one by one: the process that sends them to the workers need not know what is in them.
        files[TASK] = pickle.dumps({"sources": [pickle.dumps(source) for source in sources], "parameters": parameters})
        from pilothouse.pilots import pilot_for

        return pilot_for(pilot, name).launch("psa", parameters, name=name, files=files)


psa = PSA()


def as_path(array: npt.ArrayLike, which: str = "trajectory") -> npt.NDArray[np.floating]:
    """Coordinates as a path of the kernel.

    Parameters
    ----------
    array
        Shape (frames, atoms, 3), Å; float32 and float64 stay what they are, other numbers become float64.
    which
        What to call it in errors.

    Returns
    -------
    numpy.ndarray
        Shape (frames, 3 x atoms), contiguous.

    Raises
    ------
    InvalidInput
        Wrong shape or type, no frames, no atoms, or coordinates that are not numbers.
    """
    values = np.asarray(array)
    if values.ndim != 3 or values.shape[2] != 3:
        raise InvalidInput(
            f"{which}: an array of shape {values.shape} was given, (frames, atoms, 3) is needed", field="trajectories"
        )
    if values.dtype.kind not in "iuf":
        raise InvalidInput(
            f"{which}: an array of {values.dtype} was given, real numbers (Å) are needed", field="trajectories"
        )
    if not len(values):
        raise InvalidInput(f"{which} has no frames", field="trajectories")
    if not values.shape[1]:
        raise InvalidInput(f"{which} has no atoms", field="trajectories")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    path = np.ascontiguousarray(values.reshape(len(values), -1))
    finite = np.isfinite(path).all(axis=1)
    if not finite.all():
        raise InvalidInput(
            f"{which}: frame {int(np.argmin(finite))} has coordinates that are not numbers; "
            "leave it out or repair the trajectory",
            field="trajectories",
        )
    return path


def _group(item: Any, select: str | None, number: int) -> Any:
    """An AtomGroup, or a checked array of shape (frames, atoms, 3)."""
    which = f"trajectories[{number}]"
    if isinstance(item, (np.ndarray, list, tuple)):
        if select is not None:
            raise InvalidInput(f"select={select!r} can't be applied to {which}, an array", field="select")
        shape = np.shape(item)
        return as_path(item, which).reshape(shape)
    if not (hasattr(item, "universe") and hasattr(item, "select_atoms")):
        raise InvalidInput(
            f"{which} is a {type(item).__name__}; give a Universe, an AtomGroup or an array (frames, atoms, 3) in Å",
            field="trajectories",
        )
    try:
        group = item.atoms if select is None else item.select_atoms(select)
    except Exception as error:  # MDAnalysis raises several kinds, its selection parser more
        raise InvalidInput(f"select={select!r}: {error}", field="select") from None
    if not len(group):
        raise InvalidInput(f"select={select!r} matches no atom of {which}", field="select")
    return group


def _labels(groups: Sequence[Any], labels: Sequence[str] | None) -> list[str]:
    if labels is None:
        stems = [Path(_file_of(group) or "").stem or "array" for group in groups]
        several = Counter(stems)
        return [f"{stem} {i}" if several[stem] > 1 else stem for i, stem in enumerate(stems)]
    chosen = [str(label) for label in labels]
    if len(chosen) != len(groups) or len(set(chosen)) != len(chosen):
        raise InvalidInput(
            f"labels: {len(chosen)} given ({len(set(chosen))} different) for {len(groups)} trajectories; "
            "give a different one to each",
            field="labels",
        )
    return chosen


def _check_atoms(atoms: Sequence[int], labels: Sequence[str]) -> None:
    usual = Counter(atoms).most_common(1)[0][0]
    odd = [
        f"{label!r} (trajectories[{i}]) has {n}"
        for i, (label, n) in enumerate(zip(labels, atoms, strict=True))
        if n != usual
    ]
    if odd:
        raise InvalidInput(
            f"trajectories: all must have the same number of atoms; {len(atoms) - len(odd)} have {usual}, "
            f"{', '.join(odd[:5])}; use select to take the atoms that all have",
            field="trajectories",
        )


def _source(group: Any, number: int, frames: tuple[Any, Any, Any], files: dict[str, bytes]) -> Source:
    from pilothouse.md.analyse.call import check_slice

    which = f"trajectories[{number}]"
    if isinstance(group, np.ndarray):
        chosen = check_slice(len(group), *frames, which=which)
        buffer = io.BytesIO()
        np.save(buffer, group, allow_pickle=False)
        file = f"path-{number:04d}.npy"
        files[file] = buffer.getvalue()
        return Source(file, None, chosen)
    from pilothouse.md.universes.recipe import pack

    try:
        task = pack(group)
    except InvalidInput as error:
        raise InvalidInput(f"{which}: {error}", field=error.field) from None
    return Source("", task, check_slice(len(group.universe.trajectory), *frames, which=which))


def _file_of(group: Any) -> str:
    if isinstance(group, np.ndarray):
        return ""
    name = getattr(group.universe.trajectory, "filename", None)
    return name if isinstance(name, str) else ""
