"""The kernel of path similarity: exact against SciPy and published values, and a distance in the mathematical sense."""

from __future__ import annotations

import numpy as np
import pytest

from pilothouse.md.psa import filtering
from pilothouse.md.psa.filtering import Products, products, relative_bound
from pilothouse.md.psa.frechet import leashes
from pilothouse.md.psa.kernel import compare, compare_between


def _walks(n: int, frames: int = 30, atoms: int = 40, seed: int = 0, dtype: str = "f4") -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    steps = rng.normal(scale=0.4, size=(n, frames, 3 * atoms))
    return list((rng.normal(scale=8.0, size=3 * atoms) + steps.cumsum(axis=1)).astype(dtype))


def _reference(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    difference = p[:, None].astype("f8") - q[None].astype("f8")
    return np.sqrt((difference**2).sum(axis=2) / (p.shape[1] // 3))


def _recursive_frechet(d: np.ndarray) -> float:
    c = np.empty_like(d)
    for i in range(d.shape[0]):
        for j in range(d.shape[1]):
            before = [c[a, b] for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if a >= 0 and b >= 0]
            c[i, j] = max(d[i, j], min(before, default=-np.inf))
    return float(c[-1, -1])


@pytest.fixture(scope="module")
def alpha_carbons() -> np.ndarray:
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysisTests.datafiles import DCD, PSF

    universe = mda.Universe(PSF, DCD)
    atoms = universe.select_atoms("name CA")
    return np.array([atoms.positions.ravel() for _ in universe.trajectory])


def test_documented_values_of_adk_halves(alpha_carbons: np.ndarray) -> None:
    middle = len(alpha_carbons) // 2
    first, second = alpha_carbons[:middle], alpha_carbons[middle:]
    found = compare([first, second, np.ascontiguousarray(second[::-1])], with_frechet=True)
    assert found.hausdorff[0, 1] == pytest.approx(4.778663899862152, abs=1e-12)
    assert found.hausdorff[0, 2] == pytest.approx(4.778663899862152, abs=1e-12)
    assert found.frechet is not None
    # The documented Fréchet values were computed in single precision.
    assert found.frechet[0, 1] == pytest.approx(4.778663984013591, abs=1e-6)
    assert found.frechet[0, 2] == pytest.approx(6.842901117711383, abs=1e-6)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_hausdorff_agrees_with_scipy_and_names_the_frames(dtype: str) -> None:
    directed = pytest.importorskip("scipy.spatial.distance").directed_hausdorff
    paths = _walks(6, dtype=dtype)
    found = compare(paths)
    for i, p in enumerate(paths):
        for j, q in enumerate(paths):
            expected = max(directed(p, q)[0], directed(q, p)[0]) / np.sqrt(p.shape[1] / 3)
            assert found.hausdorff[i, j] == pytest.approx(expected, abs=1e-12)
            if i != j:
                at = found.frame_a[i, j], found.frame_b[i, j]
                assert _reference(p, q)[at] == pytest.approx(expected, abs=1e-12)


def test_axioms_of_a_distance() -> None:
    found = compare(_walks(7, seed=1), with_frechet=True)
    assert found.frechet is not None
    for matrix in (found.hausdorff, found.frechet):
        assert (matrix == matrix.T).all()
        assert (np.diag(matrix) == 0).all()
        assert (matrix[:, None, :] <= matrix[:, :, None] + matrix[None, :, :] + 1e-12).all()
    assert (found.frechet >= found.hausdorff).all()
    assert (found.frame_a == found.frame_b.T).all()


def test_hausdorff_does_not_depend_on_the_order_of_frames() -> None:
    p, q = _walks(2, seed=2)
    shuffled = np.random.default_rng(3).permutation(len(q))
    assert compare([p, q]).hausdorff[0, 1] == compare([p, q[shuffled]]).hausdorff[0, 1]


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_nearly_identical_paths_keep_their_digits(offset: float) -> None:
    (p,) = _walks(1, atoms=400, seed=4, dtype="f8")
    q = p + np.random.default_rng(5).normal(scale=0.003, size=p.shape)
    p, q = p + offset, q + offset
    expected = _reference(p, q)
    expected_value = max(expected.min(axis=1).max(), expected.min(axis=0).max())
    assert expected_value < 0.01
    found = compare([p, q], with_frechet=True)
    assert found.hausdorff[0, 1] == pytest.approx(expected_value, abs=1e-12)
    assert found.frechet is not None
    assert found.frechet[0, 1] == pytest.approx(_recursive_frechet(expected), abs=1e-12)


def test_a_path_against_itself_and_constant_paths() -> None:
    (p,) = _walks(1, seed=6)
    still = np.repeat(p[:1], 25, axis=0)
    found = compare([p, p.copy(), still], with_frechet=True)
    assert found.frechet is not None
    assert found.hausdorff[0, 1] == found.frechet[0, 1] == 0
    assert found.hausdorff[0, 2] == pytest.approx(_reference(p, still).max(), abs=1e-12)


def test_paths_of_different_lengths_and_one_frame() -> None:
    long, short = _walks(1, frames=60, seed=7)[0], _walks(1, frames=11, seed=8)[0]
    found = compare([long, short, short[:1]], with_frechet=True)
    assert found.frechet is not None
    for i, j, p, q in ((0, 1, long, short), (0, 2, long, short[:1]), (1, 2, short, short[:1])):
        expected = _reference(p, q)
        nearest = max(expected.min(axis=1).max(), expected.min(axis=0).max())
        assert found.hausdorff[i, j] == pytest.approx(nearest, abs=1e-12)
        assert found.frechet[i, j] == pytest.approx(_recursive_frechet(expected), abs=1e-12)


def test_long_paths_need_no_recursion() -> None:
    assert leashes([np.arange(3000.0)[None, :].repeat(3000, axis=0)]) == [2999.0]


def test_matrices_walked_together_have_the_values_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(13)
    matrices = [rng.random(shape) for shape in ((5, 9), (1, 1), (9, 5), (5, 9), (1, 7), (12, 1), (8, 8))]
    expected = [_recursive_frechet(matrix) for matrix in matrices]
    assert leashes(matrices).tolist() == expected
    from pilothouse.md.psa import frechet

    monkeypatch.setattr(frechet, "_TOGETHER", 150)
    assert leashes(matrices).tolist() == expected
    assert leashes([]).shape == (0,)


def test_blocks_have_the_bits_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from pilothouse.md.psa import kernel as psa_kernel

    paths = _walks(9, seed=9)
    whole = compare(paths, with_frechet=True)
    block = compare_between(paths[:4], paths[4:], with_frechet=True)
    monkeypatch.setattr(psa_kernel, "_SIDE", 70)  # two paths to a matrix
    in_pieces = compare(paths, with_frechet=True)
    assert whole.frechet is not None
    assert block.frechet is not None
    assert in_pieces.frechet is not None
    assert (block.hausdorff == whole.hausdorff[:4, 4:]).all()
    assert (block.frame_a == whole.frame_a[:4, 4:]).all()
    assert (block.frechet == whole.frechet[:4, 4:]).all()
    assert (in_pieces.hausdorff == whole.hausdorff).all()
    assert (in_pieces.frame_b == whole.frame_b).all()
    assert (in_pieces.frechet == whole.frechet).all()


def test_ticks_add_up_to_all_pairs() -> None:
    ticks: list[int] = []
    compare(_walks(5), tick=ticks.append)
    assert sum(ticks) == 10


def _filtered(p: np.ndarray, q: np.ndarray, dtype: type) -> tuple[Products, np.ndarray]:
    everything = slice(0, len(p)), slice(0, len(q))
    found = products([p], [q], [everything], dtype)
    return found, found.squared(*everything)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 300.0])
@pytest.mark.parametrize("atoms", [1, 341, 342, 1500])
def test_no_filtered_distance_is_further_off_than_the_bound(dtype: type, offset: float, atoms: int) -> None:
    p, q = (path.astype("f8") + offset for path in _walks(2, frames=20, atoms=atoms, seed=atoms))
    found, squared = _filtered(p, q, dtype)
    wide = p.astype(np.longdouble)[:, None] - q.astype(np.longdouble)[None]
    error = np.abs(squared - (wide**2).sum(axis=2))
    allowed = relative_bound(3 * atoms, dtype) * np.add.outer(found.row_norms, found.column_norms)
    assert (error <= allowed).all()


def test_the_bound_is_needed() -> None:
    """A filter of a hundredth of the bound would lose deciding entries: errors of that size do occur."""
    p, q = (path.astype("f8") for path in _walks(2, frames=40, atoms=1000, seed=11))
    found, squared = _filtered(p, q, np.float32)
    error = np.abs(squared - _reference(p, q) ** 2 * 1000)
    allowed = relative_bound(3000, np.float32) * np.add.outer(found.row_norms, found.column_norms)
    assert (error > allowed / 1000).any()


def test_coordinates_beyond_single_precision_are_filtered_in_double() -> None:
    p, q = (path.astype("f8") * 1e25 for path in _walks(2, frames=5, atoms=4))
    expected = _reference(p, q)
    nearest = max(expected.min(axis=1).max(), expected.min(axis=0).max())
    with np.errstate(over="ignore", invalid="ignore"):
        assert compare([p, q]).hausdorff[0, 1] == pytest.approx(nearest, rel=1e-14)


def test_refinement_stays_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    from pilothouse.md.psa import kernel as psa_kernel

    counted: list[int] = []

    def counting(left: np.ndarray, right: np.ndarray, at: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        counted.append(len(at[0]))
        return filtering.exact(left, right, at)

    monkeypatch.setattr(psa_kernel, "exact", counting)
    compare(_walks(8, frames=60, atoms=500, seed=12))
    assert sum(counted) < 28 * 60  # of 28 x 3600 pairs of frames
