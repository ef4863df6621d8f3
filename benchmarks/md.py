"""Path similarity beside PathSimAnalysis and the processor's own speed; RMSD on a pilot beside MDAnalysis.

Ratios of CPU seconds on one BLAS thread, which hold on a busy machine where wall times don't; medians, the
rivals taking turns. The ensemble: 16 paths of 102 frames x 3341 atoms between the two real transitions of
adenylate kinase in MDAnalysisTests, each with smooth modes and 0.3 Å of noise of its own, seeded.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.rows import compare as compare_figures

TRAJECTORIES, FRAMES, ROUNDS = 16, 102, 5


def rows() -> list[Row]:
    """Measure."""
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore")
    paths = ensemble()
    with threadpool_limits(1):
        found = [*path_rows(paths), share_row()]
    return [*found, *pilot_rows()]


def ensemble(trajectories: int = TRAJECTORIES) -> list[np.ndarray]:
    """Shape (102, 10023) each, float32, Å."""
    import MDAnalysis
    from MDAnalysisTests.datafiles import DCD, DCD2, PSF

    rng = np.random.default_rng(20151030)
    walk = np.linspace(0.0, 1.0, FRAMES)
    ends = []
    for file in (DCD, DCD2):
        universe = MDAnalysis.Universe(PSF, file)
        frames = np.array([universe.atoms.positions for _ in universe.trajectory], dtype=np.float32)
        ends.append(frames[np.rint(walk * (len(frames) - 1)).astype(int)].reshape(FRAMES, -1))
    paths = []
    for share in rng.random(trajectories):
        modes = rng.normal(scale=0.3, size=(3, ends[0].shape[1]))
        swings = np.stack([np.sin(np.pi * (k + 1) * walk) for k in range(3)], axis=1) * rng.normal(size=3)
        noise = rng.normal(scale=0.3, size=ends[0].shape)
        paths.append(((1 - share) * ends[0] + share * ends[1] + swings @ modes + noise).astype(np.float32))
    return paths


def _cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def path_rows(paths: list[np.ndarray]) -> list[Row]:
    """Hausdorff and Fréchet against PathSimAnalysis, and against the processor's matrix product."""
    from pilothouse.md.psa.kernel import compare

    pairs = [(i, j) for i in range(len(paths)) for j in range(i + 1, len(paths))]
    structures = [path.reshape(len(path), -1, 3) for path in paths]
    atoms = structures[0].shape[1]
    compare(paths)  # the first call pays for memory that later ones have
    ours, both, sgemm = [], [], []
    for _ in range(ROUNDS):
        seconds, found = _cpu(lambda: compare(paths))
        ours.append(seconds)
        both.append(_cpu(lambda: compare(paths, with_frechet=True))[0])
        sgemm.append(_sgemm_rate())
    mine = statistics.median(ours)
    flops = 2.0 * len(pairs) * FRAMES**2 * paths[0].shape[1]
    limit = compare_figures(
        "psa: CPU s beside the measured sgemm rate's, 16 paths", mine, flops / statistics.median(sgemm), 1 / 0.6
    )
    error = _largest_error(paths, found, pairs, atoms)
    right = Row("psa: largest error beside extended precision, Å", error, None, None, 1e-12, error <= 1e-12)
    try:
        import pathsimanalysis
    except ImportError:
        return [Row("psa: PathSimAnalysis is not installed", mine, None, None, None, True), right, limit]
    theirs, distances = [], np.zeros(len(pairs))
    for _ in range(3):
        seconds, distances = _cpu(
            lambda: np.array([pathsimanalysis.hausdorff(structures[i], structures[j]) for i, j in pairs])
        )
        theirs.append(seconds)
    other = statistics.median(theirs)
    apart = float(np.abs(distances - [found.hausdorff[pair] for pair in pairs]).max())
    chosen = pairs[:: len(pairs) // 2]
    walks, _ = _cpu(lambda: [pathsimanalysis.discrete_frechet(structures[i], structures[j]) for i, j in chosen])
    return [
        compare_figures("psa: Hausdorff, 16 x 102 x 3341, CPU s beside PathSimAnalysis", mine, other, 1 / 8),
        Row("psa: largest difference to PathSimAnalysis, Å", apart, None, None, 1e-12, apart <= 1e-12),
        right,
        compare_figures(
            f"psa: both metrics, CPU s beside PathSimAnalysis's Fréchet ({len(chosen)} pairs, scaled)",
            statistics.median(both), walks / len(chosen) * len(pairs), 1 / 20,
        ),
        limit,
    ]  # fmt: skip


def share_row() -> Row:
    """The original study's all-pairs job, 128 paths, beside what the processor's matrix product alone would take."""
    from pilothouse.md.psa.kernel import compare

    paths = ensemble(128)
    before = _sgemm_rate()
    seconds, _ = _cpu(lambda: compare(paths))
    rate = (before + _sgemm_rate()) / 2
    flops = 2.0 * FRAMES**2 * paths[0].shape[1] * len(paths) * (len(paths) - 1) / 2
    return compare_figures("psa: CPU s beside the measured sgemm rate's, 128 paths", seconds, flops / rate, 1 / 0.85)


def _largest_error(paths: list[np.ndarray], found: Any, pairs: list[tuple[int, int]], atoms: int) -> float:
    """The deciding distances once more, in extended precision."""
    errors = []
    for i, j in pairs:
        a, b = paths[i][found.frame_a[i, j]], paths[j][found.frame_b[i, j]]
        difference = a.astype(np.longdouble) - b.astype(np.longdouble)
        errors.append(abs(float(np.sqrt((difference**2).sum() / atoms) - found.hausdorff[i, j])))
    return max(errors)


def _sgemm_rate() -> float:
    """FLOP per CPU second of a large matrix product in float32."""
    a = np.ones((816, 10023), dtype=np.float32)
    b = np.ones((816, 10023), dtype=np.float32)
    a @ b.T
    seconds, _ = _cpu(lambda: a @ b.T)
    return float(2 * 816 * 816 * 10023 / seconds)


@contextlib.contextmanager
def _pilot() -> Iterator[Any]:
    import os

    import pilothouse as ph

    with tempfile.TemporaryDirectory() as home:
        before = os.environ.get("PILOTHOUSE_HOME")
        os.environ["PILOTHOUSE_HOME"] = home
        try:
            with ph.submit("local", nodes=2) as pilot:
                yield pilot.wait(timeout=120)
        finally:
            if before is None:
                del os.environ["PILOTHOUSE_HOME"]
            else:
                os.environ["PILOTHOUSE_HOME"] = before


def pilot_rows() -> list[Row]:
    """RMSD of a real transition on a pilot with two nodes: how many values differ from MDAnalysis's serial run."""
    import MDAnalysis
    from MDAnalysis.analysis.rms import RMSD
    from MDAnalysisTests.datafiles import DCD, PSF

    import pilothouse as ph

    universe = MDAnalysis.Universe(PSF, DCD)
    serial = RMSD(universe.atoms).run().results.rmsd
    with _pilot() as pilot:
        found = ph.md.analyse(RMSD, universe.atoms, pilot=pilot)
    differing = int((found.rmsd.values != serial[:, 2]).sum() + (found.time.values != serial[:, 1]).sum())
    return [Row("rmsd on a pilot: values that differ from MDAnalysis serial", differing, None, None, 0, differing == 0)]
