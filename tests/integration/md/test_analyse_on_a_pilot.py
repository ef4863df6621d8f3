"""Analyses on a real local pilot: the bits of MDAnalysis, labelled, with progress, stopped when asked, never silent."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pilothouse.errors import Failed
from pilothouse.md import PilotBackend, analyse
from tests.waiting import eventually

mda = pytest.importorskip("MDAnalysis")
from MDAnalysis.analysis.base import AnalysisBase, AnalysisFromFunction  # noqa: E402
from MDAnalysis.analysis.results import ResultsGroup  # noqa: E402
from MDAnalysis.analysis.rms import RMSD  # noqa: E402
from MDAnalysisTests.datafiles import DCD, PSF  # noqa: E402

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def universe() -> Any:
    return mda.Universe(PSF, DCD)


def test_rmsd_has_the_bits_of_mdanalysis_and_its_provenance(local_pilot: Pilot, universe: Any) -> None:
    found = analyse(RMSD, universe.atoms, select="name CA", groupselections=["name N"], pilot=local_pilot)
    serial = RMSD(universe.atoms, select="name CA", groupselections=["name N"]).run().results.rmsd
    assert (found.rmsd.values == serial[:, 2]).all()
    assert (found.rmsd_group.values == serial[:, 3:]).all()
    assert (found.time.values == serial[:, 1]).all()
    assert found.rmsd.attrs["units"] == "Å"
    assert found.attrs["analysis"].endswith("rms.RMSD")
    assert found.attrs["parts"] == 16
    (files,) = json.loads(found.attrs["files"])
    assert files["topology"]["path"] == PSF
    assert len(files["trajectories"][0]["sha256"]) == 64
    assert "promises 500" in found.attrs["notes"]
    run = local_pilot.runs()[0]
    assert run.progress == {"done": 98.0, "total": 98.0, "unit": "frames"}
    assert float(run.telemetry.frames[-1]) == 98


def test_a_function_and_a_class_of_the_notebook(local_pilot: Pilot, universe: Any) -> None:
    class Extent(AnalysisBase):  # not importable on the nodes: it goes by value
        _analysis_algorithm_is_parallelizable = True

        def __init__(self, atoms: Any) -> None:
            super().__init__(atoms.universe.trajectory)
            self.atoms = atoms

        def _prepare(self) -> None:
            self.results.extent = []

        def _single_frame(self) -> None:
            self.results.extent.append(np.ptp(self.atoms.positions, axis=0))

        def _get_aggregator(self) -> Any:
            return ResultsGroup({"extent": ResultsGroup.flatten_sequence})

    calpha = universe.select_atoms("name CA")
    found = analyse(Extent, calpha, pilot=local_pilot, start=90, stop=10, step=-7)
    expected = Extent(calpha).run(start=90, stop=10, step=-7).results.extent
    assert (found.extent.values == np.array(expected)).all()
    assert (found.frame.values == np.arange(90, 10, -7)).all()

    def centre(atoms: Any) -> Any:
        return atoms.center_of_geometry()

    found = analyse(AnalysisFromFunction, centre, calpha, pilot=local_pilot, stop=9)
    assert (found.timeseries.values == AnalysisFromFunction(centre, calpha).run(stop=9).results.timeseries).all()


def test_given_frames_are_those_that_are_analysed(local_pilot: Pilot, universe: Any) -> None:
    found = analyse(RMSD, universe.atoms, select="name CA", frames=[1, 5, 9], pilot=local_pilot)
    serial = RMSD(universe.atoms, select="name CA").run(frames=[1, 5, 9])
    assert (found.rmsd.values == serial.results.rmsd[:, 2]).all()
    assert (found.frame.values == [1, 5, 9]).all()
    assert (found.time.values == serial.times).all()
    assert found.attrs["frames_given"] == "[1, 5, 9]"


def test_the_backend_works_within_mdanalysis_itself(local_pilot: Pilot, universe: Any) -> None:
    frames: list[int] = []
    backend = PilotBackend(local_pilot.client(), tick=frames.append)
    done = RMSD(universe.atoms).run(backend=backend, unsupported_backend=True, n_parts=5, stop=20)
    assert (done.results.rmsd == RMSD(universe.atoms).run(stop=20).results.rmsd).all()
    assert sorted(frames) == [4, 4, 4, 4, 4]


def test_stopping_ends_it_soon_and_says_so(local_pilot: Pilot, universe: Any) -> None:
    def slow(atoms: Any) -> int:
        time.sleep(0.2)
        return len(atoms)

    run = analyse.submit(AnalysisFromFunction, slow, universe.atoms, pilot=local_pilot)
    eventually(lambda: (run.progress or {}).get("done") or run.state.ended, "progress")
    assert not run.state.ended, run.reason
    run.stop()
    assert run.state == "finished"
    assert not (run.folder / "result.zarr").exists()
    with pytest.raises(Failed, match=r"was stopped after \d+ of 98 frames"):
        run.result()


def test_stopping_before_it_began_says_so(local_pilot: Pilot, universe: Any) -> None:
    run = analyse.submit(RMSD, universe.atoms, pilot=local_pilot)
    run.stop()
    assert run.state == "finished"
    with pytest.raises(Failed, match=r"was stopped (at once|after \d+ of 98 frames), before it had a result"):
        run.result()


def test_a_fault_that_only_the_node_sees(local_pilot: Pilot, tmp_path: Path) -> None:
    path = tmp_path / "holes.dcd"
    source = mda.Universe(PSF, DCD, in_memory=True)
    source.trajectory.get_array()[7, 3] = np.nan
    with mda.Writer(str(path), len(source.atoms)) as writer:
        for _ in source.trajectory[:10]:
            writer.write(source.atoms)
    with pytest.raises(Failed, match="frame 7 has coordinates that are not numbers"):
        analyse(RMSD, mda.Universe(PSF, path).atoms, pilot=local_pilot)
