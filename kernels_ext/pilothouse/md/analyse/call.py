"""``ph.md.analyse``: any analysis of MDAnalysis that can be computed in parts, on a pilot."""

from __future__ import annotations

import inspect
import json
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.errors import InvalidInput
from pilothouse.md.analyse.arguments import check_atoms, check_function, check_keywords, check_selected
from pilothouse.md.parts.driving import TASK

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray

    from pilothouse.pilots import Pilot
    from pilothouse.pilots.attached import AttachedPilot
    from pilothouse.registry.naming import Exist
    from pilothouse.runs.handle import Run


class Analyse:
    """The callable ``ph.md.analyse``; ``ph.md.analyse.submit`` returns the run instead of waiting."""

    def __call__(
        self,
        analysis: type[Any],
        *args: Any,
        pilot: Pilot | AttachedPilot | None = None,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        frames: Sequence[int] | npt.NDArray[Any] | None = None,
        n_parts: int | None = None,
        name: str | None = None,
        exist: Exist = "number",
        **kwargs: Any,
    ) -> xarray.Dataset:
        """Run an analysis on a pilot and return what it found, with the bits of a serial run.

        Parameters
        ----------
        analysis
            A subclass of ``MDAnalysis.analysis.base.AnalysisBase`` that can be computed in parts: 22 of
            MDAnalysis's own (RMSD, InterRDF, Contacts, HydrogenBondAnalysis, Ramachandran, DSSP ...),
            ``AnalysisFromFunction`` with any function, or your own, defined in the notebook if you like.
        *args, **kwargs
            For `analysis`: AtomGroups and parameters; a keyword that it would not look at is refused. Universes are
            built again on the nodes from their files, so the nodes must see these under the same paths; Universes in
            memory travel whole (256 MiB at most).
        pilot
            Where to compute; by default the local pilot, which is started if need be.
        start, stop, step
            Frames of the trajectory, as in ``AnalysisBase.run``.
        frames
            Instead: the numbers of the frames, in any order; or a truth for each frame of the trajectory.
        n_parts
            Into how many parts to cut the frames; by default as many as the input is worth.
        name
            Of the run.
        exist
            What happens when something that has ended has that name, which stays: ``"number"`` makes this one
            ``name-2`` and warns, ``"error"`` refuses.

        Returns
        -------
        xarray.Dataset
            See :func:`pilothouse.md.analyse.results.to_dataset`.

        Raises
        ------
        InvalidInput
            The class can't be computed in parts, the arguments don't fit, a keyword is not known, a trajectory is
            missing, truncated or empty: nothing was launched.
        Failed
            A node found fault with the input or the analysis; the message says what.

        Notes
        -----
        Frames are cut into parts by the input alone, so the result has the same bits on any number of nodes.
        Analyses that sum floating-point numbers over frames (``LinearDensity``) may differ from MDAnalysis's
        serial run in the last bits, as the sum is by parts.

        Examples
        --------
        >>> from MDAnalysis.analysis.rms import RMSD                # doctest: +SKIP
        >>> found = ph.md.analyse(RMSD, universe.atoms, select="name CA")  # doctest: +SKIP
        >>> found.rmsd.plot()                                       # doctest: +SKIP
        """
        run = self.submit(
            analysis, *args, pilot=pilot, start=start, stop=stop, step=step, frames=frames, n_parts=n_parts, name=name,
            exist=exist,
            **kwargs,
        )  # fmt: skip
        return run.result()  # type: ignore[no-any-return]

    def submit(
        self,
        analysis: type[Any],
        *args: Any,
        pilot: Pilot | AttachedPilot | None = None,
        start: int | None = None,
        stop: int | None = None,
        step: int | None = None,
        frames: Sequence[int] | npt.NDArray[Any] | None = None,
        n_parts: int | None = None,
        name: str | None = None,
        exist: Exist = "number",
        **kwargs: Any,
    ) -> Run:
        """Launch the analysis and return its run at once; ``run.result()`` or ``await run`` is the dataset."""
        from pilothouse.md.parts.gathering import count_parts
        from pilothouse.md.universes.recipe import pack

        given = {"pilot": pilot, "start": start, "stop": stop, "step": step, "frames": frames, "n_parts": n_parts}
        prepared = _prepare(analysis, args, kwargs, {**given, "name": name})
        numbers = check_frames(len(prepared._trajectory), start, stop, step, frames)  # noqa: SLF001 - AnalysisBase has it nowhere else
        _whole_number(n_parts, "n_parts", least=1)
        parameters: dict[str, Any] = {
            "analysis": f"{analysis.__module__}.{analysis.__qualname__}",
            "start": start,
            "stop": stop,
            "step": step,
            "n_parts": n_parts,
            "frames": len(numbers),
            "frames_given": None if frames is None else _short(list(numbers)),
            "arguments": _describe(args, kwargs),
        }
        parts = min(n_parts or count_parts(len(numbers), prepared._trajectory.n_atoms), len(numbers))  # noqa: SLF001 - AnalysisBase has it nowhere else
        task = pickle.dumps(
            {"task": pickle.dumps(pack(prepared)), "parameters": parameters, "frames": numbers, "parts": parts}
        )
        from pilothouse.pilots import pilot_for

        found = pilot_for(pilot, name, exist)
        return found.launch("analysis", parameters, name=name, files={TASK: task}, exist=exist)


analyse = Analyse()


def _prepare(analysis: Any, args: tuple[Any, ...], kwargs: dict[str, Any], options: dict[str, Any]) -> Any:
    """The analysis, made in the user's process, where its own checks of the arguments raise."""
    from MDAnalysis.analysis.base import AnalysisBase
    from MDAnalysis.exceptions import NoDataError, SelectionError

    if not (inspect.isclass(analysis) and issubclass(analysis, AnalysisBase)):
        raise InvalidInput(
            f"analysis={analysis!r}: give a class such as MDAnalysis.analysis.rms.RMSD (not an instance of one); "
            "for a function of your own: ph.md.analyse(AnalysisFromFunction, function, atoms)",
            field="analysis",
        )
    if not getattr(analysis, "_analysis_algorithm_is_parallelizable", False):
        raise InvalidInput(
            f"analysis={analysis.__name__}: MDAnalysis computes it from one frame to the next or from all frames at "
            "once, so it can't be cut into parts; run it with .run() in the notebook",
            field="analysis",
        )
    check_atoms(analysis, (args, kwargs))
    try:
        check_keywords(analysis, args, kwargs, options)
        prepared = analysis(*args, **kwargs)
    except (TypeError, ValueError, AttributeError, NoDataError, SelectionError) as error:
        raise InvalidInput(f"{analysis.__name__} refuses its arguments: {error}", field="arguments") from error
    check_function(prepared, options)
    check_selected(prepared)
    return prepared


def check_frames(
    n_frames: int, start: int | None, stop: int | None, step: int | None, frames: Any = None
) -> Sequence[int]:
    """The numbers of the frames to analyse, as ``AnalysisBase.run`` understands these arguments.

    Parameters
    ----------
    n_frames
        Of the trajectory.
    frames
        Numbers, negative ones from the end; or a truth for each frame.

    Raises
    ------
    InvalidInput
        Neither numbers nor truths, a frame that there is not, no frame at all, or `frames` beside `start`, `stop`
        or `step`.
    """
    if frames is None:
        return range(*check_slice(n_frames, start, stop, step))
    if not (start is None and stop is None and step is None):
        raise InvalidInput("frames: give either frames or start, stop and step, not both", field="frames")
    wanted = f"whole numbers from 0 to {n_frames - 1}, such as [1, 5, 9], or a truth for each of the {n_frames} frames"
    try:
        values = np.asarray(frames if hasattr(frames, "__array__") or not np.iterable(frames) else list(frames))
    except ValueError:  # lists of different lengths
        values = np.zeros(())
    if values.ndim != 1:
        raise InvalidInput(f"frames={_short(frames)}: {wanted}", field="frames")
    if not len(values):
        raise InvalidInput(f"frames: none is given; {wanted}", field="frames")
    if values.dtype == bool:
        if len(values) != n_frames:
            raise InvalidInput(f"frames: {len(values)} truths for {n_frames} frames; {wanted}", field="frames")
        values = np.flatnonzero(values)
        if not len(values):
            raise InvalidInput(f"frames: none of the {n_frames} frames is chosen", field="frames")
    elif values.dtype.kind not in "iu":
        raise InvalidInput(f"frames={_short(frames)}: {wanted}", field="frames")
    for value in values:
        if not -n_frames <= value < n_frames:
            raise InvalidInput(f"frames: there is no frame {value}; {wanted}", field="frames")
    return [int(value) % n_frames for value in values]


def check_slice(
    n_frames: int, start: int | None, stop: int | None, step: int | None, *, which: str = "the trajectory"
) -> tuple[int, int, int]:
    """First frame, end and step of what is to be analysed, as for ``range``.

    Raises
    ------
    InvalidInput
        Not whole numbers, a step of 0, or no frame is left.
    """
    for field, value in (("start", start), ("stop", stop), ("step", step)):
        _whole_number(value, field)
    if step == 0:
        raise InvalidInput("step=0: take 1 for every frame, 2 for every second, -1 for backwards", field="step")
    chosen = slice(start, stop, step).indices(n_frames)
    if not len(range(*chosen)):
        raise InvalidInput(
            f"start={start}, stop={stop}, step={step} leave none of the {n_frames} frames of {which}", field="start"
        )
    return chosen


def _whole_number(value: Any, field: str, least: int | None = None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not hasattr(value, "__index__") or (least is not None and value < least):
        wanted = "a whole number" if least is None else f"a whole number, {least} or more"
        raise InvalidInput(f"{field}={value!r}: {wanted}", field=field)


def _describe(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The arguments for people to read: short, and never an array."""
    shown = {**{str(i): _short(value) for i, value in enumerate(args)}, **{k: _short(v) for k, v in kwargs.items()}}
    return json.dumps(shown)


def _short(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else getattr(value, "__name__", None) or repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
