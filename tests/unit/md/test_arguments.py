"""Keywords that nobody would look at are refused, and frames are those that were given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.md import analyse

mda = pytest.importorskip("MDAnalysis")
from MDAnalysis.analysis.base import AnalysisBase, AnalysisFromFunction, analysis_class  # noqa: E402
from MDAnalysis.analysis.contacts import Contacts  # noqa: E402
from MDAnalysis.analysis.density import DensityAnalysis  # noqa: E402
from MDAnalysis.analysis.diffusionmap import DistanceMatrix  # noqa: E402
from MDAnalysis.analysis.dihedrals import Dihedral, Ramachandran  # noqa: E402
from MDAnalysis.analysis.hydrogenbonds import HydrogenBondAnalysis  # noqa: E402
from MDAnalysis.analysis.rdf import InterRDF, InterRDF_s  # noqa: E402
from MDAnalysis.analysis.rms import RMSD  # noqa: E402
from MDAnalysisTests.datafiles import DCD, PSF  # noqa: E402

from pilothouse.md.analyse.call import check_frames  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


class Launched(Exception):
    """What a test sees when nothing was refused."""


class Deck:
    """Where a pilot would be: tells what would be launched."""

    def launch(self, _kind: str, parameters: dict[str, Any], **_: Any) -> None:
        raise Launched(parameters)


@pytest.fixture(autouse=True)
def _on_deck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.pilots.pilot_for", lambda *_: Deck())


@pytest.fixture(scope="module")
def universe() -> Any:
    return mda.Universe(PSF, DCD)


@pytest.fixture(scope="module")
def calpha(universe: Any) -> Any:
    return universe.select_atoms("name CA")


def launched(analysis: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    with pytest.raises(Launched) as caught:
        analyse(analysis, *args, **kwargs)
    return caught.value.args[0]  # type: ignore[no-any-return]


def refused(analysis: Any, *args: Any, **kwargs: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        analyse(analysis, *args, **kwargs)
    return caught.value


class Options(AnalysisBase):
    """The user's own, in the four ways in which ``**kwargs`` are written."""

    _analysis_algorithm_is_parallelizable = True

    def _single_frame(self) -> None: ...


class Drops(Options):
    def __init__(self, atoms: Any, **kwargs: Any) -> None:
        self.atoms = atoms
        super().__init__(atoms.universe.trajectory)


class HandsOn(Options):
    def __init__(self, atoms: Any, cutoff: float = 3.0, **kwargs: Any) -> None:
        self.atoms = atoms
        super().__init__(atoms.universe.trajectory, **kwargs)


class Picks(Options):
    def __init__(self, atoms: Any, **kwargs: Any) -> None:
        self.radius = kwargs.get("radius", 2.0)
        self.atoms = atoms
        super().__init__(atoms.universe.trajectory, **kwargs)


class Keeps(Options):
    def __init__(self, atoms: Any, **kwargs: Any) -> None:
        self.options = kwargs
        self.atoms = atoms
        super().__init__(atoms.universe.trajectory)


class Below(HandsOn):
    def __init__(self, *args: Any, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def test_keyword_that_a_class_of_mdanalysis_would_swallow_is_refused_with_the_closest_one(calpha: Any) -> None:
    for analysis, args, keyword, closest in (
        (RMSD, (calpha,), "selection", "select"),
        (RMSD, (calpha,), "ref_fram", "ref_frame"),
        (RMSD, (calpha,), "n_part", "n_parts"),
        (RMSD, (calpha,), "frame", "frames"),
        (InterRDF, (calpha, calpha), "nbin", "nbins"),
        (Contacts, (calpha, ("name CA", "name CA"), (calpha, calpha)), "radios", "radius"),
        (Ramachandran, (calpha.universe.select_atoms("protein"),), "checkprotein", "check_protein"),
        (DensityAnalysis, (calpha,), "paddin", "padding"),
    ):
        error = refused(analysis, *args, **{keyword: 1})
        assert error.field == keyword
        assert f"did you mean {closest!r}" in str(error)


def test_what_run_takes_is_refused_where_a_pilot_has_no_use_for_it(calpha: Any) -> None:
    for keyword in ("backend", "n_workers", "unsupported_backend", "progressbar_kwargs"):
        error = refused(RMSD, calpha, **{keyword: 1})
        assert error.field == keyword
        assert "an argument of run()" in str(error)
    launched(InterRDF, calpha, calpha, backend="serial")  # its own, for distances
    launched(RMSD, calpha, verbose=False)


def test_keywords_of_the_users_own_classes(calpha: Any) -> None:
    assert refused(Drops, calpha, radius=3).field == "radius"
    assert refused(Drops, calpha, verbose=True).field == "verbose"
    assert refused(HandsOn, calpha, radius=3).field == "radius"
    assert refused(Below, calpha, radius=3).field == "radius"
    assert refused(Picks, calpha, radios=3).field == "radios"
    launched(HandsOn, calpha, cutoff=2.0, verbose=False)
    launched(Below, calpha, scale=2.0, cutoff=2.0)
    launched(Picks, calpha, radius=3)
    launched(Keeps, calpha, radius=3)


def test_arguments_of_a_function(calpha: Any) -> None:
    def centre(atoms: Any, weights: Any = None) -> Any:
        return atoms.center(weights)

    def anything(atoms: Any, **kwargs: Any) -> Any:
        return atoms.center(**kwargs)

    launched(AnalysisFromFunction, centre, calpha, weights=None)
    launched(AnalysisFromFunction, anything, calpha, weights=None)
    launched(analysis_class(centre), calpha, weights=None)
    for analysis, args in ((AnalysisFromFunction, (centre, calpha)), (analysis_class(centre), (calpha,))):
        error = refused(analysis, *args, weight=None)
        assert error.field == "weight"
        assert "did you mean 'weights'" in str(error)
    assert refused(AnalysisFromFunction, anything, calpha, n_workers=2).field == "n_workers"
    assert "missing" not in str(refused(AnalysisFromFunction, centre, calpha, None, 1))


def test_name_that_both_have_is_refused(calpha: Any) -> None:
    class Every(Options):
        def __init__(self, atoms: Any, step: int = 1) -> None:
            self.atoms = atoms
            super().__init__(atoms.universe.trajectory)

    def windowed(atoms: Any, stop: int = 3) -> int:
        return stop

    assert "both analyse() and Every have" in str(refused(Every, calpha, step=2))
    assert "both analyse() and windowed() have" in str(refused(AnalysisFromFunction, windowed, calpha, stop=2))
    launched(Every, calpha)
    launched(AnalysisFromFunction, windowed, calpha)


def test_group_without_atoms_in_a_list_is_refused(universe: Any, calpha: Any) -> None:
    empty = universe.select_atoms("name XX")
    for analysis, args in ((InterRDF_s, (universe, [[calpha, empty]])), (Dihedral, ([calpha[:4], empty],))):
        assert "an AtomGroup without atoms" in str(refused(analysis, *args))
    assert "a ResidueGroup without residues" in str(refused(AnalysisFromFunction, len, calpha, empty.residues))


def test_selection_that_matches_nothing_is_refused(universe: Any, calpha: Any) -> None:
    for analysis, args in (
        (RMSD, (universe,)),
        (DistanceMatrix, (universe,)),
    ):
        error = refused(analysis, *args, select="name XX")
        assert error.field == "select"
        assert "matched no atom" in str(error)
    refused(Contacts, universe, ("name XX", "name CA"), (calpha, calpha))
    # Selected again at each frame: what is empty now need not stay so.
    launched(HydrogenBondAnalysis, universe, donors_sel="name N", hydrogens_sel="name XX", acceptors_sel="name O")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([1, 5, 9], [1, 5, 9]),
        ((9, 1, 1), [9, 1, 1]),
        ([-1, 0], [9, 0]),
        (np.array([3, 2], dtype=np.uint32), [3, 2]),
        (range(8, 2, -3), [8, 5]),
        (iter([4]), [4]),
        ([True, False] * 5, [0, 2, 4, 6, 8]),
        (np.arange(10) > 7, [8, 9]),
        (None, list(range(10))),
    ],
)
def test_frames_as_numbers_and_as_truths(frames: Any, expected: list[int]) -> None:
    assert list(check_frames(10, None, None, None, frames)) == expected


@pytest.mark.parametrize(
    "frames", [[], [10], [-11], [1.0], ["1"], [[1, 2]], [[1], [1, 2]], 3, "all", [True], [False] * 10, slice(3)]
)
def test_frames_that_are_none(frames: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_frames(10, None, None, None, frames)
    assert caught.value.field == "frames"


def test_frames_beside_start_stop_and_step_are_refused(calpha: Any) -> None:
    for option in ({"start": 1}, {"stop": 5}, {"step": 2}):
        assert refused(RMSD, calpha, frames=[1, 5, 9], **option).field == "frames"
    parameters = launched(RMSD, calpha, frames=[1, 5, 9])
    assert parameters["frames"] == 3
    assert parameters["frames_given"] == "[1, 5, 9]"


@pytest.mark.parametrize("frames", [[1, 5, 9], [30, 2, 2, -1], np.arange(98) % 13 == 0])
def test_parts_of_given_frames_have_the_bits_of_a_serial_run(calpha: Any, frames: Any, tmp_path: Any) -> None:
    import pickle

    import xarray

    from pilothouse.md.analyse.backend import analyse_part, conclude
    from pilothouse.md.parts.gathering import cut
    from pilothouse.md.universes.recipe import pack

    numbers = check_frames(98, None, None, None, frames)
    parameters = {"start": None, "stop": None, "step": None, "frames_given": str(list(numbers))}
    task = pickle.dumps(pack(RMSD(calpha)))
    parts = cut(numbers, 2)
    conclude(task, parameters, parts, [analyse_part(task, parameters, part) for part in parts], 0.0, f"{tmp_path}/r")
    found = xarray.open_zarr(f"{tmp_path}/r", chunks=None, consolidated=False)
    serial = RMSD(calpha).run(frames=frames)
    assert (found.rmsd.values == serial.results.rmsd[:, 2]).all()
    assert (found.frame.values == serial.frames).all()
    assert (found.time.values == serial.times).all()
