"""Frames on one reference: as MDAnalysis and PathSimAnalysis put them; and whether paths were put there at all."""

from __future__ import annotations

import dataclasses
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.errors import InvalidInput
from pilothouse.md import psa
from pilothouse.md.psa import process as psa_process
from pilothouse.md.psa.call import as_path
from pilothouse.md.psa.kernel import compare
from pilothouse.md.psa.superposing import apart, superpose

mda = pytest.importorskip("MDAnalysis")
from MDAnalysis.analysis.align import AlignTraj, rotation_matrix  # noqa: E402
from MDAnalysisTests.datafiles import DCD, DCD2, PSF  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


class Launched(Exception):
    """What a test sees when nothing was refused."""


@pytest.fixture(autouse=True)
def _no_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deck:
        def launch(self, _kind: str, parameters: dict[str, Any], *, files: dict[str, bytes], **_: Any) -> None:
            raise Launched(parameters, files)

    monkeypatch.setattr("pilothouse.pilots.pilot_for", lambda *_: Deck())


def launched(*args: Any, **options: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    with pytest.raises(Launched) as caught:
        psa(*args, **options)
    return caught.value.args  # type: ignore[return-value]


def paths_of(folder: Path, files: dict[str, bytes]) -> list[Any]:
    """The paths as the workers make them."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    given = pickle.loads(files["task.pkl"])
    reference = given["reference"]
    if reference is not None:
        packed = given["sources"][reference] if isinstance(reference, int) else reference
        reference = psa_process.load_reference(packed, str(folder))
    return [psa_process.load_path(packed, str(folder), "path", reference) for packed in given["sources"]]


@pytest.fixture(scope="module")
def universes() -> list[Any]:
    return [mda.Universe(PSF, DCD), mda.Universe(PSF, DCD2)]


@pytest.fixture(scope="module")
def aligned() -> list[Any]:
    """By MDAnalysis, on the first frame of the first; shape (frames, atoms, 3) each."""
    found = []
    for file in (DCD, DCD2):
        universe = mda.Universe(PSF, file)
        AlignTraj(universe, mda.Universe(PSF, DCD), select="name CA", in_memory=True).run()
        found.append(universe.trajectory.timeseries(universe.select_atoms("name CA"), order="fac"))
    return found


def structures(seed: int, atoms: int = 50, turn: float = 0.0, shift: float = 0.0, noise: float = 0.3) -> Any:
    """A body that turns (degrees) and moves (Å), and whose atoms scatter."""
    rng = np.random.default_rng(7)
    body = rng.normal(scale=15, size=(atoms, 3))
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    scatter = np.random.default_rng(seed).normal(scale=noise, size=(atoms, 3))
    return body @ rotation.T + shift + scatter


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 2e-5)])
def test_every_frame_has_the_least_rmsd_that_a_rotation_gives(dtype: Any, tolerance: float) -> None:
    path = as_path(np.array([structures(i, turn=40.0 * i, shift=100.0 * i) for i in range(9)], dtype=dtype))
    reference = as_path(structures(99)[np.newaxis])[0]
    moved = superpose(path, reference)
    assert moved.dtype == dtype
    target = reference.reshape(-1, 3) - reference.reshape(-1, 3).mean(axis=0)
    for before, after in zip(path, moved, strict=True):
        mobile = before.reshape(-1, 3).astype(np.float64)
        mobile -= mobile.mean(axis=0)
        rotation, rmsd = rotation_matrix(mobile, target)
        np.testing.assert_allclose(after.reshape(-1, 3), mobile @ rotation.T, atol=tolerance)
        lies = np.sqrt(np.square(after.reshape(-1, 3) - target).sum() / len(target))
        assert lies == pytest.approx(rmsd, abs=tolerance)


def test_align_gives_the_distances_of_mdanalysis(universes: list[Any], aligned: list[Any], tmp_path: Path) -> None:
    parameters, files = launched(universes, "name CA", align=True)
    found = compare(paths_of(tmp_path, files), with_frechet=True)
    expected = compare([as_path(path.astype(np.float64)) for path in aligned], with_frechet=True)
    assert parameters["align"] == "frame 0 of 'adk_dims'"
    np.testing.assert_allclose(found.hausdorff, expected.hausdorff, atol=2e-5)
    np.testing.assert_allclose(found.frechet, expected.frechet, atol=2e-5)
    assert found.hausdorff[0, 1] == pytest.approx(1.28, abs=0.01)


def test_align_gives_the_distances_of_pathsimanalysis(universes: list[Any], tmp_path: Path) -> None:
    pathsimanalysis = pytest.importorskip("pathsimanalysis")
    peer = pathsimanalysis.PSAnalysis(
        [mda.Universe(PSF, DCD), mda.Universe(PSF, DCD2)], reference=mda.Universe(PSF, DCD), select="name CA",
        path_select="name CA", targetdir=str(tmp_path / "peer"),
    )  # fmt: skip
    peer.generate_paths(align=True, save=False)
    peer.run(metric="hausdorff")
    _, files = launched(universes, "name CA", align=True)
    np.testing.assert_allclose(compare(paths_of(tmp_path, files)).hausdorff, peer.get_pairwise_distances(), atol=2e-5)


def test_the_same_reference_in_every_way_in_which_it_can_be_given(universes: list[Any], tmp_path: Path) -> None:
    first = mda.Universe(PSF, DCD)
    expected = paths_of(tmp_path, launched(universes, "name CA", align=0)[1])
    for align in (first, first.select_atoms("name CA"), first.select_atoms("name CA").positions):
        select = "name CA"
        found = paths_of(tmp_path, launched(universes, select, align=align)[1])
        assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    arrays = [universe.trajectory.timeseries(universe.select_atoms("name CA"), order="fac") for universe in universes]
    found = paths_of(tmp_path, launched(arrays, align=True)[1])
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))


def test_the_reference_is_the_first_chosen_frame_or_the_one_at_which_it_stands(
    universes: list[Any], tmp_path: Path
) -> None:
    standing = mda.Universe(PSF, DCD2)
    standing.trajectory[30]
    parameters, files = launched(universes, "name CA", align=1, start=30, step=10)
    assert parameters["align"] == "frame 30 of 'adk_dims2'"
    one = paths_of(tmp_path, files)
    parameters, files = launched(universes, "name CA", align=standing, start=30, step=10)
    assert parameters["align"] == f"frame 30 of {DCD2}"
    other = paths_of(tmp_path, files)
    assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert universes[1].trajectory.ts.frame == 0, "the user's own stays where it is"


@pytest.mark.parametrize(
    ("align", "text"),
    [
        (2, "align=2: the number of one of the 2 trajectories"),
        (-1, "align=-1"),
        (np.zeros((5, 3)), "the reference has 5 atoms, the trajectories have 214"),
        (np.zeros((214, 2)), r"one structure, \(atoms, 3\)"),
        (np.full((214, 3), np.nan), "not numbers"),
        ("first", "is a str"),
    ],
)
def test_references_that_are_none(universes: list[Any], align: Any, text: str) -> None:
    with pytest.raises(InvalidInput, match=text) as caught:
        psa(universes, "name CA", align=align)
    assert caught.value.field == "align"


def test_paths_that_lie_apart_are_warned_of_in_the_users_line(universes: list[Any]) -> None:
    with pytest.warns(
        UserWarning, match=r"'adk_dims2' and 'adk_dims' are 60\.\d Å .* 0\.\d+ Å once superposed"
    ) as caught:
        parameters, _ = launched(universes, "name CA")
    assert caught[0].filename == __file__
    assert parameters["note"] == str(caught[0].message)
    with pytest.warns(UserWarning, match="lie apart") as caught, pytest.raises(Launched):
        psa.submit(universes, "name CA")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        parameters, _ = launched(universes, "name CA", align=True)
    assert parameters["note"] is None


def test_what_counts_as_apart(aligned: list[Any]) -> None:
    labels = ["first", "second"]
    here = structures(0)
    assert "'second' and 'first'" in apart([here, structures(1, shift=3.0)], labels)
    assert "'second' and 'first'" in apart([here, structures(1, turn=30.0)], labels)
    assert apart([here, structures(1)], labels) == ""
    assert apart([here, structures(1, shift=0.5)], labels) == "", "thermal motion"
    assert apart([here, structures(1, noise=8.0)], labels) == "", "they differ in themselves"
    assert apart([here, here * np.array([1, 1, -1]) + 500], labels) != ""
    assert apart([here[:5], structures(1, shift=30.0)[:5]], labels) == "", "too few atoms to tell"
    assert apart([path[0] for path in aligned], labels) == ""
    assert apart([aligned[0][0], aligned[1][-1]], labels) == "", "the ends of the transition"
    several = [here, structures(1, shift=3.0), structures(2, shift=9.0), structures(3)]
    assert "'c' and 'a'" in apart(several, list("abcd"))


def test_source_of_the_reference_is_described_with_the_others(universes: list[Any]) -> None:
    _, files = launched(universes, "name CA", align=universes[0])
    source = pickle.loads(pickle.loads(files["task.pkl"])["reference"])
    assert source.task.recipes[0].topology.path == PSF
    assert dataclasses.replace(source, frames=(0, 1, 1)) == source
