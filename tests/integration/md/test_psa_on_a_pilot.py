"""Path similarity on a real local pilot: the bits of the kernel, labelled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pilothouse.md import psa
from pilothouse.md.psa.call import as_path
from pilothouse.md.psa.kernel import compare

mda = pytest.importorskip("MDAnalysis")
from MDAnalysisTests.datafiles import DCD, DCD2, PSF  # noqa: E402

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")]


def test_documented_value_from_arrays_with_both_metrics(local_pilot: Pilot) -> None:
    universe = mda.Universe(PSF, DCD)
    atoms = universe.select_atoms("name CA")
    path = np.array([atoms.positions for _ in universe.trajectory])
    found = psa([path[:49], path[49:]], labels=["first", "second"], metric="frechet", pilot=local_pilot)
    value = found.hausdorff.sel(trajectory="first", trajectory_2="second")
    assert float(value) == pytest.approx(4.778663899862152, abs=1e-12)
    assert found.hausdorff.attrs["units"] == "Å"
    assert (found.frechet.values >= found.hausdorff.values).all()


def test_universes_have_the_bits_of_the_kernel_and_the_trajectory_s_frame_numbers(local_pilot: Pilot) -> None:
    universes = [mda.Universe(PSF, file) for file in (DCD, DCD2, DCD, DCD2, DCD)]
    found = psa(universes, "name CA", start=4, step=3, pilot=local_pilot)
    paths = []
    for universe in universes:
        atoms = universe.select_atoms("name CA")
        paths.append(as_path(np.array([atoms.positions for _ in universe.trajectory[4::3]])))
    expected = compare(paths)
    assert (found.hausdorff.values == expected.hausdorff).all()
    assert (found.hausdorff_frame_a.values == 4 + 3 * expected.frame_a).all()
    assert (found.hausdorff_frame_b.values == 4 + 3 * expected.frame_b).all()
    assert list(found.trajectory.values[:2]) == ["adk_dims 0", "adk_dims2 1"]
    assert found.attrs["blocks"] == 6
    run = local_pilot.runs()[0]
    assert run.progress == {"done": 10.0, "total": 10.0, "unit": "pairs"}


def test_paths_are_put_on_one_reference_on_the_nodes(local_pilot: Pilot) -> None:
    universes = [mda.Universe(PSF, DCD), mda.Universe(PSF, DCD2)]
    apart = psa(universes, "name CA", pilot=local_pilot)
    assert float(apart.hausdorff.max()) == pytest.approx(60.8, abs=0.1)
    assert "lie apart before a fit" in apart.attrs["notes"]
    assert apart.attrs["align"] == ""
    found = psa(universes, "name CA", align=mda.Universe(PSF, DCD), metric="frechet", pilot=local_pilot)
    assert float(found.hausdorff.max()) == pytest.approx(1.28, abs=0.01)
    assert found.attrs["align"] == f"frame 0 of {DCD}"
    assert "lie apart" not in found.attrs["notes"]
    assert len(json.loads(found.attrs["files"])) == 3
    first = psa(universes, "name CA", align=True, metric="frechet", pilot=local_pilot)
    assert (first.hausdorff.values == found.hausdorff.values).all()
    assert (first.frechet.values == found.frechet.values).all()


def test_without_a_pilot_the_local_one_is_started_and_stays(state_home: Path) -> None:
    from pilothouse import pilots

    paths = list(np.random.default_rng(0).normal(size=(3, 5, 4, 3)))
    found = psa(paths)
    assert (found.hausdorff.values == compare([as_path(path) for path in paths]).hausdorff).all()
    (pilot,) = pilots()
    assert (pilot.name, pilot.state) == ("local", "running")
    assert psa.submit(paths).pilot == "local"
    assert len(pilots()) == 1
