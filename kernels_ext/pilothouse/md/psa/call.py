"""``ph.md.psa``: how similar are paths? Hausdorff and discrete Fréchet distances between all pairs, on a pilot."""

from __future__ import annotations

import io
import pickle
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pilothouse.errors import InvalidInput
from pilothouse.md.parts.driving import TASK
from pilothouse.md.psa.superposing import apart

if TYPE_CHECKING:
    import xarray

    from pilothouse.pilots import Pilot
    from pilothouse.pilots.attached import AttachedPilot
    from pilothouse.registry.naming import Exist
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
        pilot: Pilot | AttachedPilot | None = None,
        labels: Sequence[str] | None = None,
        metric: str = "hausdorff",
        align: Any = None,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        name: str | None = None,
        exist: Exist = "number",
    ) -> xarray.Dataset:
        """Path similarity analysis: the distances between all pairs of trajectories.

        Parameters
        ----------
        trajectories
            At least two of: an MDAnalysis Universe or AtomGroup; an array of shape (frames, atoms, 3), floating
            point or integer, Å. All with the same number of atoms, all aligned to one reference, beforehand or by
            `align`: there is no fit per pair, which would break the triangle inequality.
        select
            MDAnalysis selection, applied to each Universe or AtomGroup; all atoms by default.
        pilot
            Where to compute; by default the local pilot, which is started if need be.
        labels
            One for each trajectory; by default the names of their files.
        metric
            ``"hausdorff"``, or ``"frechet"`` for the discrete Fréchet distance beside it.
        align
            The reference on which every frame of every trajectory is put, by the superposition of the compared atoms
            with the least RMSD (all atoms count alike): True for the first of the chosen frames of the first
            trajectory, a whole number for that of another one, a Universe or AtomGroup (`select` is applied to it)
            as it stands, or an array of shape (atoms, 3), Å. None leaves the trajectories as they are.
        start, stop, step
            Which frames of each trajectory.
        name
            Of the run.
        exist
            What happens when something that has ended has that name, which stays: ``"number"`` makes this one
            ``name-2`` and warns, ``"error"`` refuses.

        Returns
        -------
        xarray.Dataset
            ``hausdorff`` (trajectory, trajectory_2), float64, Å; ``hausdorff_frame_a`` and ``hausdorff_frame_b``,
            the frames of the first and the second trajectory whose distance it is; ``frechet`` if asked for.
            ``attrs["align"]`` says on what the frames were put.

        Warns
        -----
        UserWarning
            Without `align`, trajectories lie far apart and hardly differ once superposed: as they stand now, the
            RMSD of one from the first is above 2 Å and more than twice what a superposition leaves. The dataset's
            ``notes`` say so too.

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
            align=align,
            start=start,
            stop=stop,
            step=step,
            name=name,
            exist=exist,
        )
        return run.result()  # type: ignore[no-any-return]

    def submit(
        self,
        trajectories: Sequence[Any],
        select: str | None = None,
        *,
        pilot: Pilot | AttachedPilot | None = None,
        labels: Sequence[str] | None = None,
        metric: str = "hausdorff",
        align: Any = None,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        name: str | None = None,
        exist: Exist = "number",
    ) -> Run:
        """Launch the comparison and return its run at once; ``run.result()`` or ``await run`` is the dataset."""
        if metric not in METRICS:
            raise InvalidInput(f"metric={metric!r}: take one of {', '.join(METRICS)}", field="metric")
        given = list(trajectories)
        if len(given) < 2:
            raise InvalidInput(f"trajectories: {len(given)} given, at least two are compared", field="trajectories")
        groups = [_group(item, select, f"trajectories[{i}]") for i, item in enumerate(given)]
        atoms = [group.shape[1] if isinstance(group, np.ndarray) else len(group) for group in groups]
        chosen = _labels(groups, labels)
        _check_atoms(atoms, chosen)
        files: dict[str, bytes] = {}
        sources = [
            _source(group, f"trajectories[{i}]", f"path-{i:04d}.npy", (start, stop, step), files)
            for i, group in enumerate(groups)
        ]
        reference, put_on = _reference(align, select, atoms[0], sources, chosen, files)
        note = "" if put_on else _apart(groups, sources, chosen)
        if note:  # in the user's own line, which called this or __call__
            warnings.warn(note, stacklevel=3 if sys._getframe(1).f_globals is globals() else 2)  # noqa: SLF001 - private in name only: it is documented
        parameters = {
            "metric": metric,
            "align": put_on or None,
            "note": note or None,
            "select": select,
            "labels": chosen,
            "atoms": atoms[0],
            "frames": [len(range(*source.frames)) for source in sources],
            "first_frames": [source.frames[0] for source in sources],
            "step": sources[0].frames[2],
            "sources": [_file_of(group) or "array" for group in groups],
        }
        # Packed one by one: the process that sends them to the workers need not know what is in them.
        files[TASK] = pickle.dumps(
            {
                "sources": [pickle.dumps(source) for source in sources],
                "reference": pickle.dumps(reference) if isinstance(reference, Source) else reference,
                "parameters": parameters,
            }
        )
        from pilothouse.pilots import pilot_for

        return pilot_for(pilot, name, exist).launch("psa", parameters, name=name, files=files, exist=exist)


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


def _group(item: Any, select: str | None, which: str) -> Any:
    """An AtomGroup, or a checked array of shape (frames, atoms, 3)."""
    field = which.partition("[")[0]
    if isinstance(item, (np.ndarray, list, tuple)):
        if select is not None:
            raise InvalidInput(f"select={select!r} can't be applied to {which}, an array", field="select")
        shape = np.shape(item)
        return as_path(item, which).reshape(shape)
    if not (hasattr(item, "universe") and hasattr(item, "select_atoms")):
        raise InvalidInput(
            f"{which} is a {type(item).__name__}; give a Universe, an AtomGroup or an array "
            f"{'(atoms, 3)' if field == 'align' else '(frames, atoms, 3)'} in Å",
            field=field,
        )
    try:
        group = item.atoms if select is None else item.select_atoms(select)
    except Exception as error:  # noqa: BLE001 - MDAnalysis raises several kinds, its selection parser more
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


def _source(group: Any, which: str, file: str, frames: tuple[Any, Any, Any], files: dict[str, bytes]) -> Source:
    from pilothouse.md.analyse.call import check_slice

    if isinstance(group, np.ndarray):
        chosen = check_slice(len(group), *frames, which=which)
        buffer = io.BytesIO()
        np.save(buffer, group, allow_pickle=False)
        files[file] = buffer.getvalue()
        return Source(file, None, chosen)
    from pilothouse.md.universes.recipe import pack

    try:
        task = pack(group)
    except InvalidInput as error:
        raise InvalidInput(f"{which}: {error}", field=error.field) from None
    return Source("", task, check_slice(len(group.universe.trajectory), *frames, which=which))


def _reference(
    align: Any, select: str | None, atoms: int, sources: Sequence[Source], labels: Sequence[str],
    files: dict[str, bytes],
) -> tuple[int | Source | None, str]:  # fmt: skip
    """What all frames are put on, one of the sources or another, and in words; nothing where they stay."""
    if align is None or align is False:
        return None, ""
    if atoms < 3:
        raise InvalidInput(f"align: {atoms} atoms can be put on others in many ways, three are needed", field="align")
    if isinstance(align, (bool, int, np.integer)):
        number = 0 if align is True else int(align)
        if not 0 <= number < len(sources):
            raise InvalidInput(
                f"align={align}: the number of one of the {len(sources)} trajectories, from 0", field="align"
            )
        return number, f"frame {sources[number].frames[0]} of {labels[number]!r}"
    if isinstance(align, (np.ndarray, list, tuple)):
        given = np.asarray(align)[np.newaxis]
        try:
            group: Any = as_path(given, "align").reshape(given.shape)
        except InvalidInput as error:
            raise InvalidInput(f"{error}; the reference is one structure, (atoms, 3)", field="align") from None
        frames, words, count = (0, 1, 1), "an array", given.shape[1]
    else:
        group = _group(align, select, "align")
        frame = int(group.universe.trajectory.ts.frame)
        frames, words, count = (frame, frame + 1, 1), f"frame {frame} of {_file_of(group) or 'a Universe'}", len(group)
    if count != atoms:
        raise InvalidInput(
            f"align: the reference has {count} atoms, the trajectories have {atoms}; give the same atoms", field="align"
        )
    return _source(group, "align", "reference.npy", frames, files), words


def _apart(groups: Sequence[Any], sources: Sequence[Source], labels: Sequence[str]) -> str:
    """What :func:`pilothouse.md.psa.superposing.apart` has to say of the trajectories, without reading any."""
    structures = [
        group[source.frames[0]] if isinstance(group, np.ndarray) else group.positions
        for group, source in zip(groups, sources, strict=True)
    ]
    return apart(structures, labels)


def _file_of(group: Any) -> str:
    if isinstance(group, np.ndarray):
        return ""
    name = getattr(group.universe.trajectory, "filename", None)
    return name if isinstance(name, str) else ""
