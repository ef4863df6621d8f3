"""Universes travel as recipes, and come back as what they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

mda = pytest.importorskip("MDAnalysis")
from MDAnalysis.analysis.rms import RMSD  # noqa: E402
from MDAnalysisTests.datafiles import DCD, DCD2, GRO, PSF  # noqa: E402

from pilothouse.md.analyse.backend import compute_part  # noqa: E402
from pilothouse.md.parts.gathering import count_parts, cut  # noqa: E402
from pilothouse.md.universes.recipe import UniversePool, pack, unpack  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def test_the_universe_itself_does_not_travel() -> None:
    universe = mda.Universe(PSF, DCD)
    task = pack(RMSD(universe.atoms))
    assert len(task.body) < 50_000
    assert [recipe.topology.path for recipe in task.recipes] == [PSF]


def test_two_universes_of_the_same_files_stay_two_and_keep_their_frames() -> None:
    mobile, reference = mda.Universe(PSF, DCD), mda.Universe(PSF, DCD)
    reference.trajectory[5]
    with unpack(pack((mobile.atoms, reference.select_atoms("name CA"), mobile.trajectory))) as (one, other, reader):
        assert one.universe is not other.universe
        assert reader is one.universe.trajectory
        assert (other.positions == reference.select_atoms("name CA").positions).all()
        assert one.universe.trajectory.frame == 0


def test_universes_are_built_once_and_lent_to_one_at_a_time() -> None:
    pool = UniversePool()
    task = pack(mda.Universe(PSF, DCD).atoms)
    with unpack(task, pool) as first, unpack(task, pool) as second:
        assert first.universe is not second.universe
        lent = {id(first.universe), id(second.universe)}
    assert len(pool) == 2
    with unpack(task, pool) as again:
        assert id(again.universe) in lent


def test_the_pool_is_bounded_and_drops_the_least_recently_used() -> None:
    pool = UniversePool(limit=3341 * 500)
    with unpack(pack(mda.Universe(PSF, DCD).atoms), pool):
        pass
    latest = pack(mda.Universe(PSF, DCD2).atoms)
    with unpack(latest, pool) as atoms:
        kept = atoms.universe
    assert len(pool) == 1
    with unpack(latest, pool) as atoms:
        assert atoms.universe is kept


def test_what_an_analysis_does_to_a_single_frame_is_undone() -> None:
    pool = UniversePool()
    universe = mda.Universe(GRO)
    task = pack(universe.atoms)
    with unpack(task, pool) as atoms:
        atoms.translate([5, 5, 5])
    with unpack(task, pool) as atoms:
        assert (atoms.positions == universe.atoms.positions).all()


def test_transformations_travel_and_do_not_stay_behind() -> None:
    from MDAnalysis.transformations import translate

    pool = UniversePool()
    moved, plain = mda.Universe(PSF, DCD), mda.Universe(PSF, DCD)
    moved.trajectory.add_transformations(translate([1, 2, 3]))
    with unpack(pack(moved.atoms), pool) as atoms:
        assert (atoms.positions == moved.atoms.positions).all()
    with unpack(pack(plain.atoms), pool) as atoms:
        assert (atoms.positions == plain.atoms.positions).all()


def test_universes_in_memory_travel_whole() -> None:
    universe = mda.Universe(PSF, DCD)
    universe.transfer_to_memory(stop=3)
    universe.atoms.masses = 2.0
    task = pack(universe.select_atoms("name CA"))
    assert not task.recipes
    with unpack(task) as atoms:
        assert (atoms.masses == 2.0).all()
        assert len(atoms.universe.trajectory) == 3


def test_a_part_has_the_bits_of_mdanalysis() -> None:
    universe = mda.Universe(PSF, DCD)
    serial = RMSD(universe.atoms, groupselections=["name CA"]).run()
    part = np.array([[0, 10], [1, 11], [2, 50]])
    done = compute_part(pack(RMSD(universe.atoms, groupselections=["name CA"])._compute), part)
    assert (done.results.rmsd == serial.results.rmsd[[10, 11, 50]]).all()
    assert (done.frames == [10, 11, 50]).all()


@pytest.mark.parametrize(
    ("frames", "atoms", "parts"), [(1, 10, 1), (98, 3341, 16), (10**6, 3341, 335), (10**6, 10**6, 5000)]
)
def test_parts_depend_on_the_input_alone(frames: int, atoms: int, parts: int) -> None:
    assert count_parts(frames, atoms) == parts


def test_importing_the_room_is_light() -> None:
    code = (
        "import sys, pilothouse.md, pilothouse.md.parts.analysis_run, pilothouse.md.parts.psa_run; "
        "print([m for m in ('MDAnalysis', 'scipy', 'xarray', 'numba', 'bokeh', 'distributed') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_paths_from_arrays_never_load_mdanalysis(tmp_path: Path) -> None:
    code = (
        "import sys, pickle, numpy as np\n"
        "from pilothouse.md import psa\n"
        "from pilothouse.md.psa import process\n"
        "from pilothouse.pilots import Pilot\n"
        "class Caught(Pilot):\n"
        "    def __init__(self): self.name = 'caught'\n"
        "    def launch(self, kind, parameters, *, files, **_): self.files = files\n"
        "pilot, paths = Caught(), list(np.random.default_rng(0).normal(size=(2, 5, 4, 3)))\n"
        "psa.submit(paths, pilot=pilot)\n"
        "given = pickle.loads(pilot.files.pop('task.pkl'))\n"
        "for name, data in pilot.files.items(): open(f'{sys.argv[1]}/{name}', 'wb').write(data)\n"
        "paths = [process.load_path(source, sys.argv[1], 'path') for source in given['sources']]\n"
        "found, _ = process.compare_block(paths, None, True)\n"
        "process.write_result(found, given['parameters'], given['sources'], {}, f'{sys.argv[1]}/out.zarr')\n"
        "print('MDAnalysis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert (tmp_path / "out.zarr").is_dir()


def test_the_process_that_sends_an_analysis_knows_nothing_of_it() -> None:
    code = (
        "import sys, pilothouse.md.analyse.process, pilothouse.md.psa.process; "
        "print([m for m in ('MDAnalysis', 'xarray', 'zarr', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("slicing", "n_parts"), [((None, None, None), 16), ((90, 10, -7), 5), ((3, None, 2), 1)])
def test_frames_are_cut_as_mdanalysis_cuts_them(slicing: tuple[int | None, ...], n_parts: int) -> None:
    analysis = RMSD(mda.Universe(PSF, DCD).atoms)
    theirs = analysis._setup_computation_groups(n_parts, *slicing)
    ours = cut(range(98)[slice(*slicing)], n_parts)
    assert all(map(np.array_equal, ours, theirs))
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("files", [DCD2, [DCD, DCD2]], ids=["one", "several"])
def test_what_load_new_was_given_is_given_on_the_node_too(files: Any) -> None:
    universe = mda.Universe(PSF, DCD)
    universe.load_new(files, dt=5.0, time_offset=100.0)
    with unpack(pack(universe.atoms)) as atoms:
        there = atoms.universe.trajectory
        assert len(there) == len(universe.trajectory)
        assert [ts.time for ts in there[:3]] == [ts.time for ts in universe.trajectory[:3]]
        assert there[0].time >= 100


@pytest.mark.parametrize("option", ["format", "topology_format"])
def test_one_file_that_is_topology_and_trajectory_keeps_its_format(tmp_path: Path, option: str) -> None:
    path = tmp_path / "conf.txt"  # which tells nothing
    path.write_bytes(Path(GRO).read_bytes())
    universe = mda.Universe(path, **{option: "GRO"})
    with unpack(pack(universe.atoms)) as atoms:
        assert (atoms.positions == universe.atoms.positions).all()
        assert (atoms.names == universe.atoms.names).all()


def test_parts_are_counted_where_the_reader_counts_atoms_in_32_bits() -> None:
    assert count_parts(3000, np.uint32(3_000_000)) == count_parts(3000, 3_000_000) == 900  # type: ignore[arg-type]
