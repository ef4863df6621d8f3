"""What can't be analysed is refused before anything is launched, with the field and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.md import analyse, psa

mda = pytest.importorskip("MDAnalysis")
from MDAnalysis.analysis.rms import RMSD, RMSF  # noqa: E402
from MDAnalysisTests.datafiles import DCD, GRO, PSF, TRR, XTC  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


class NoPilot:
    """Fails the test when something is launched."""

    def launch(self, *_: Any, **__: Any) -> None:
        raise AssertionError("launched")


def _cut(original: str, folder: Path, n_bytes: int) -> Path:
    path = folder / Path(original).name
    path.write_bytes(Path(original).read_bytes()[:-n_bytes])
    return path


@pytest.fixture(scope="module")
def universe() -> Any:
    return mda.Universe(PSF, DCD)


@pytest.mark.parametrize(("topology", "trajectory"), [(PSF, DCD), (GRO, XTC), (GRO, TRR)], ids=["dcd", "xtc", "trr"])
def test_truncated_trajectory(topology: str, trajectory: str, tmp_path: Path) -> None:
    cut = mda.Universe(topology, _cut(trajectory, tmp_path, 1000))
    with pytest.raises(
        InvalidInput, match=r"trajectory .* is truncated: .*(after 97 whole|promises 10 frames)"
    ) as caught:
        analyse(RMSD, cut.atoms, pilot=NoPilot())
    assert caught.value.field == "trajectory"
    with pytest.raises(InvalidInput, match=r"trajectories\[0\].*truncated"):
        psa([cut, cut], pilot=NoPilot())


def test_trajectory_that_ended_early_is_noted(universe: Any) -> None:
    from pilothouse.md.universes.files import check_complete

    (note,) = check_complete(universe.trajectory, field="trajectory")
    assert "98 frames, all whole, where the header promises 500" in note


@pytest.mark.parametrize("whole", [True, False])
def test_dcd_whose_title_has_another_length_than_it_says(tmp_path: Path, whole: bool) -> None:
    from pilothouse.md.universes.files import check_complete

    data = bytearray(Path(DCD).read_bytes())
    data[92:96] = (84).to_bytes(4, "little")  # of the record; its lines are more
    path = tmp_path / "title.dcd"
    path.write_bytes(data if whole else data[:-1000])
    reader = mda.Universe(PSF, path).trajectory
    if whole:
        (note,) = check_complete(reader, field="trajectory")
        assert "98 frames, all whole" in note
    else:
        with pytest.raises(InvalidInput, match="after 97 whole"):
            check_complete(reader, field="trajectory")


def test_file_that_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "gone.dcd"
    path.write_bytes(Path(DCD).read_bytes())
    universe = mda.Universe(PSF, path)
    path.unlink()
    with pytest.raises(InvalidInput, match=r"gone\.dcd can't be read here \(No such file") as caught:
        analyse(RMSD, universe.atoms, pilot=NoPilot())
    assert caught.value.field == "trajectory"


def test_file_that_changed_since(tmp_path: Path) -> None:
    from pilothouse.md.universes.recipe import pack, unpack

    path = tmp_path / "moving.dcd"
    path.write_bytes(Path(DCD).read_bytes())
    task = pack(mda.Universe(PSF, path).atoms)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="not the one that was given"), unpack(task):
        pass


def test_topology_changed_in_memory_is_not_computed_as_if_it_were_not(universe: Any) -> None:
    from pilothouse.md.universes.recipe import pack, unpack

    changed = mda.Universe(PSF, DCD)
    changed.atoms.masses = 1.0
    with pytest.raises(InvalidInput, match=r"topology.*transfer_to_memory"), unpack(pack(changed.atoms)):
        pass
    with unpack(pack(universe.atoms)) as atoms:
        assert (atoms.masses == universe.atoms.masses).all()


def test_coordinates_changed_in_memory_are_not_computed_as_if_they_were_not() -> None:
    from pilothouse.md.universes.recipe import pack, unpack

    moved = mda.Universe(PSF, DCD)
    moved.atoms.translate([1, 0, 0])
    with pytest.raises(InvalidInput, match=r"frame 0 were changed in memory"), unpack(pack(moved.atoms)):
        pass


def test_serial_only_class(universe: Any) -> None:
    with pytest.raises(InvalidInput, match=r"analysis=RMSF: .*can't be cut into parts"):
        analyse(RMSF, universe.atoms, pilot=NoPilot())


def test_not_an_analysis(universe: Any) -> None:
    with pytest.raises(InvalidInput, match="give a class such as") as caught:
        analyse(lambda atoms: atoms, universe.atoms, pilot=NoPilot())
    assert caught.value.field == "analysis"


def test_topology_and_reference_that_do_not_match(universe: Any) -> None:
    with pytest.raises(InvalidInput, match="RMSD refuses its arguments"):
        analyse(RMSD, universe.atoms, universe.select_atoms("name CA"), pilot=NoPilot())


def test_empty_selection(universe: Any) -> None:
    with pytest.raises(InvalidInput, match="without atoms"):
        analyse(RMSD, universe.select_atoms("name XX"), pilot=NoPilot())
    with pytest.raises(InvalidInput, match=r"select='name XX' matches no atom of trajectories\[0\]"):
        psa([universe, universe], "name XX", pilot=NoPilot())


@pytest.mark.parametrize(
    ("options", "field"),
    [({"start": 500}, "start"), ({"step": 0}, "step"), ({"stop": "all"}, "stop"), ({"n_parts": 0}, "n_parts")],
)
def test_frames_that_do_not_exist(universe: Any, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        analyse(RMSD, universe.atoms, pilot=NoPilot(), **options)
    assert caught.value.field == field


def test_coordinates_that_are_not_numbers_in_memory_and_on_file(tmp_path: Path) -> None:
    from pilothouse.md.universes.recipe import pack, unpack

    universe = mda.Universe(PSF, DCD, in_memory=True)
    universe.trajectory.get_array()[7, 3] = np.nan
    with pytest.raises(InvalidInput, match="frame 7 has coordinates that are not numbers"):
        analyse(RMSD, universe.atoms, pilot=NoPilot())
    path = tmp_path / "holes.dcd"
    with mda.Writer(str(path), len(universe.atoms)) as writer:
        for _ in universe.trajectory[:10]:
            writer.write(universe.atoms)
    with unpack(pack(mda.Universe(PSF, path).atoms)) as atoms, pytest.raises(InvalidInput, match="frame 7 has"):
        for _ in atoms.universe.trajectory:
            pass


def test_numbers_of_atoms_that_differ_are_named(universe: Any) -> None:
    calpha = universe.select_atoms("name CA")
    with pytest.raises(InvalidInput, match=r"2 have 214, 'adk_dims 1' \(trajectories\[1\]\) has 3341"):
        psa([calpha, universe, calpha], pilot=NoPilot())


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((4, 3)), r"shape \(4, 3\) was given"),
        (np.zeros((4, 5, 2)), r"\(frames, atoms, 3\) is needed"),
        (np.zeros((0, 5, 3)), "has no frames"),
        (np.zeros((4, 0, 3)), "has no atoms"),
        (np.zeros((4, 5, 3), dtype=complex), "complex128"),
        (np.full((4, 5, 3), "x"), "real numbers"),
        (np.where(np.arange(4)[:, None, None] == 2, np.inf, np.zeros((4, 5, 3))), "frame 2 has coordinates"),
    ],
)
def test_arrays_that_are_no_trajectories(array: np.ndarray, text: str) -> None:
    with pytest.raises(InvalidInput, match=text) as caught:
        psa([np.zeros((4, 5, 3)), array], pilot=NoPilot())
    assert caught.value.field == "trajectories"
    assert "trajectories[1]" in str(caught.value)


def test_other_arguments_of_psa(universe: Any) -> None:
    array = np.zeros((4, 5, 3))
    for options, field in (
        ({"metric": "cosine"}, "metric"),
        ({"labels": ["a", "a"]}, "labels"),
        ({"labels": ["a"]}, "labels"),
        ({"select": "name CA"}, "select"),
        ({"stop": 0}, "start"),
    ):
        with pytest.raises(InvalidInput) as caught:
            psa([array, array], pilot=NoPilot(), **options)
        assert caught.value.field == field
    with pytest.raises(InvalidInput, match="at least two"):
        psa([array], pilot=NoPilot())
    with pytest.raises(InvalidInput, match="is a dict"):
        psa([array, {}], pilot=NoPilot())
    with pytest.raises(InvalidInput, match="select='nonsense CA'"):
        psa([universe, universe], "nonsense CA", pilot=NoPilot())
