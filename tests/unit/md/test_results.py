"""Results of MDAnalysis become labelled data, with their values untouched, and survive the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

mda = pytest.importorskip("MDAnalysis")
from MDAnalysis.analysis import contacts, dihedrals, dssp, gnm, rms  # noqa: E402
from MDAnalysis.analysis.base import AnalysisBase, AnalysisFromFunction  # noqa: E402
from MDAnalysis.analysis.hydrogenbonds import HydrogenBondAnalysis  # noqa: E402
from MDAnalysis.analysis.lineardensity import LinearDensity  # noqa: E402
from MDAnalysis.analysis.rdf import InterRDF, InterRDF_s  # noqa: E402
from MDAnalysisTests.datafiles import DCD, GRO, PSF, XTC  # noqa: E402

from pilothouse.md.analyse.results import provenance, to_dataset, write  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def protein() -> Any:
    return mda.Universe(PSF, DCD)


@pytest.fixture(scope="module")
def water() -> Any:
    return mda.Universe(GRO, XTC)


def test_rmsd(protein: Any) -> None:
    done = rms.RMSD(protein.atoms, groupselections=["name CA"]).run(step=10)
    found = to_dataset(done, {})
    assert found.rmsd.dims == ("frame",)
    assert (found.rmsd.values == done.results.rmsd[:, 2]).all()
    assert (found.rmsd_group.values == done.results.rmsd[:, 3:]).all()
    assert (found.frame.values == np.arange(0, 98, 10)).all()
    assert (found.time.values == done.results.rmsd[:, 1]).all()
    assert (found.rmsd.attrs["units"], found.time.attrs["units"]) == ("Å", "ps")


def test_a_function_of_atoms_has_their_names(protein: Any) -> None:
    calpha = protein.select_atoms("name CA")
    found = to_dataset(AnalysisFromFunction(lambda atoms: atoms.positions, calpha).run(stop=3), {})
    assert found.timeseries.dims == ("frame", "atom", "xyz")
    assert (found.atom.values == calpha.indices).all()
    assert set(found.name.values) == {"CA"}
    assert list(found.resname.values[:2]) == ["MET", "ARG"]
    assert "frames" not in found


def test_density_along_each_axis_has_bins_of_its_own() -> None:
    water = mda.Universe(GRO, XTC)
    water.add_TopologyAttr("charges", np.zeros(len(water.atoms)))
    done = LinearDensity(water.select_atoms("name OW")[:200], binsize=5.0).run(stop=3)
    found = to_dataset(done, {})
    for axis in "xyz":
        density = getattr(done.results, axis)
        assert found[f"{axis}_mass_density"].dims == (f"bin_{axis}",)
        assert (found[f"{axis}_mass_density"].values == density.mass_density).all()
        assert found[f"{axis}_hist_bin_edges"].dims == (f"edge_{axis}",)
        assert (found[f"{axis}_hist_bin_edges"].values == density.hist_bin_edges).all()
        assert found[f"{axis}_dim"].ndim == 0


def test_other_classes(protein: Any, water: Any) -> None:
    calpha = protein.select_atoms("name CA")
    oxygen = water.select_atoms("name OW")[:200]
    cases: list[tuple[Any, str, tuple[str, ...]]] = [
        (InterRDF(oxygen, oxygen, nbins=20), "rdf", ("bin",)),
        (InterRDF(oxygen, oxygen, nbins=20), "edges", ("edge",)),
        (dihedrals.Ramachandran(protein.select_atoms("resid 5-10")), "angles", ("frame", "residue", "angle")),
        (gnm.GNMAnalysis(protein), "eigenvalues", ("frame",)),
        (gnm.GNMAnalysis(protein), "eigenvectors", ("frame", "component")),
        (contacts.Contacts(protein, select=("name CA", "name CB"), refgroup=(calpha, protein.select_atoms("name CB"))),
         "timeseries", ("frame", "column")),
        (dssp.DSSP(protein), "dssp", ("frame", "residue")),
    ]  # fmt: skip
    for analysis, name, dims in cases:
        done = analysis.run(stop=3)
        found = to_dataset(done, {})
        assert found[name].dims == dims, type(analysis).__name__
        if name in done.results:
            assert (found[name].values == np.asarray(done.results[name])).all()


def test_hydrogen_bonds_say_what_their_columns_are(water: Any) -> None:
    some = water.select_atoms("resname SOL")[:600]
    text = f"index {some[0].index}:{some[-1].index}"
    done = HydrogenBondAnalysis(
        water,
        donors_sel=f"name OW and {text}",
        hydrogens_sel=f"name HW1 HW2 and {text}",
        acceptors_sel=f"name OW and {text}",
    ).run(stop=2)
    found = to_dataset(done, {})
    assert found.hbonds.dims == ("hbond", "column")
    assert list(found.column.values[-2:]) == ["distance_A", "angle_deg"]


def test_ragged_lists_keep_their_parts(water: Any) -> None:
    oxygen = water.select_atoms("name OW")
    done = InterRDF_s(water, [[oxygen[:2], oxygen[2:4]], [oxygen[:1], oxygen[4:7]]], nbins=5).run(stop=2)
    found = to_dataset(done, {})
    assert (found.rdf_0.values == done.results.rdf[0]).all()
    assert found.rdf_1.shape == (1, 3, 5)


def test_what_is_no_array_is_named(protein: Any) -> None:
    found = to_dataset(AnalysisFromFunction(lambda atoms: {"n": len(atoms)}, protein.atoms).run(stop=2), {})
    assert json.loads(found.attrs["left_out"]) == ["timeseries"]
    assert "timeseries" not in found


def test_provenance_and_text_survive_the_disk(protein: Any, tmp_path: Path) -> None:
    import xarray

    done = AnalysisFromFunction(lambda atoms: atoms.positions, protein.atoms).run(stop=2)
    made = to_dataset(done, provenance(analysis="mine", nothing=None, files=[{"topology": PSF}]))
    write(made, tmp_path / "result.zarr")
    with xarray.open_zarr(tmp_path / "result.zarr", chunks=None, consolidated=False) as read:
        xarray.testing.assert_identical(read.load(), made)
        assert json.loads(read.attrs["versions"])["MDAnalysis"] == mda.__version__
    assert (tmp_path / "result.zarr" / "zarr.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["result.zarr"]


def test_what_is_summed_over_parts_is_not_labelled_with_frames(protein: Any) -> None:
    """Also where it happens to be as long as the frames are many; and names of the class's own stay its own."""
    from MDAnalysis.analysis.results import ResultsGroup

    class Histogram(AnalysisBase):
        _analysis_algorithm_is_parallelizable = True

        def __init__(self, atoms: Any) -> None:
            super().__init__(atoms.universe.trajectory)
            self.atoms = atoms

        def _prepare(self) -> None:
            self.results.counts, self.results.z = np.zeros(5), []
            self.results._note = np.zeros(5)

        def _single_frame(self) -> None:
            self.results.counts += np.histogram(self.atoms.positions[:, 2], bins=5)[0]
            self.results.z.append(self.atoms.positions[0, 2])

        def _get_aggregator(self) -> Any:
            return ResultsGroup({
                "counts": ResultsGroup.ndarray_sum, "_note": ResultsGroup.ndarray_sum,
                "z": ResultsGroup.flatten_sequence,
            })  # fmt: skip

    found = to_dataset(Histogram(protein.atoms).run(stop=5), {})
    assert found.counts.dims == ("counts_0",)
    assert found.z.dims == ("frame",)
    assert "_note" not in found
