from __future__ import annotations

import mmap
import multiprocessing
import os
import pickle
import stat
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pilothouse.data import Ref, codec, put, report, store, sweep
from pilothouse.errors import Conflict, InvalidInput, NotFound, PilothouseError, Unavailable
from pilothouse.registry.liveness import remove_leftovers
from pilothouse.registry.records import PILOTS, NodeRecord, State
from pilothouse.state import make_private, utcnow
from tests.waiting import eventually

Make = Callable[..., str]


def objects() -> dict[str, Any]:
    rng = np.random.default_rng(7)
    block = rng.normal(size=(20, 30, 3)).astype(np.float32)
    return {
        "array": block,
        "fortran": np.asfortranarray(block),
        "strided": block[::2, :, 1],
        "scalar": np.float64(3.5),
        "empty": np.zeros((0, 4)),
        "dates": np.array(["2026-01-01", "2026-02-01"], dtype="datetime64[ns]"),
        "structured": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        "dictionary": {"a": block, "b": [block[0], "text"]},
        "bytes": b"\x00" * 1000,
    }


@pytest.mark.parametrize("name", objects())
def test_an_object_comes_back_equal_as_copy_and_as_view(pilot_record: Make, name: str) -> None:
    obj = objects()[name]
    ref = put(obj, pilot=pilot_record())
    for back in (ref.get(), ref.view()):
        assert type(back) is type(obj)
        np.testing.assert_equal(back, obj)


def test_a_dataset_keeps_its_labels(pilot_record: Make) -> None:
    dataset = xr.Dataset({"rmsd": ("frame", np.arange(5.0), {"units": "Å"})}, attrs={"by": "test"})
    xr.testing.assert_identical(put(dataset, pilot=pilot_record()).view(), dataset)


def test_a_reference_says_what_it_refers_to(pilot_record: Make) -> None:
    ref = put(np.zeros((3, 4), dtype=np.float32), pilot=pilot_record())
    assert (ref.kind, ref.dtype, ref.shape, ref.pilot) == ("numpy.ndarray", "float32", (3, 4), "anna")
    assert 48 <= ref.size < 1000
    assert Ref.from_json(ref.model_dump_json()) == ref
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert len(pickle.dumps(ref)) < 1000


def test_the_view_is_read_only_memory_of_the_store_and_the_copy_is_not(pilot_record: Make) -> None:
    array = np.arange(1000.0)
    ref = put(array, pilot=pilot_record())
    view, copy = ref.view(), ref.get()
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    assert view.ctypes.data % codec.ALIGNMENT == 0
    copy[0] = 99
    assert ref.view()[0] == 0
    # the mapping is of the file itself: a change of the file shows in the view that exists
    path = store.NodeStore(ref.place).folder / ref.id
    data = bytearray(path.read_bytes())
    at = data.rindex(np.float64(999).tobytes())
    with path.open("r+b") as file:
        file.seek(at)
        file.write(np.float64(-1).tobytes())
    assert view[999] == -1


def test_a_view_outlives_the_eviction_and_the_reference_does_not(pilot_record: Make) -> None:
    ref = put(np.arange(10), pilot=pilot_record())
    view = ref.view()
    ref.evict()
    ref.evict()
    assert view.sum() == 45
    with pytest.raises(NotFound, match="evicted"):
        ref.get()


def test_files_and_folders_are_private(pilot_record: Make) -> None:
    ref = put(np.arange(10), pilot=pilot_record())
    folder = store.NodeStore(ref.place).folder
    assert stat.S_IMODE((folder / ref.id).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.root().stat().st_mode) == 0o700


def test_a_store_that_others_can_open_is_refused(pilot_record: Make, node_store: Path) -> None:
    name = pilot_record()
    node_store.chmod(0o755)
    with pytest.raises(Unavailable, match="PILOTHOUSE_STORE"):
        put(np.arange(3), pilot=name)
    node_store.chmod(0o700)


@pytest.mark.parametrize("made", ["by nodes", "by an earlier version"])
def test_without_dev_shm_the_store_is_in_our_own_folder_whoever_of_us_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    monkeypatch.delenv("PILOTHOUSE_STORE", raising=False)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ours = tmp_path / f"pilothouse-{os.getuid()}"
    mask = os.umask(0o022)
    try:
        if made == "by nodes":
            make_private(ours / "scratch" / "anna")
            assert stat.S_IMODE((ours / "scratch").stat().st_mode) == 0o700
        else:
            ours.mkdir(mode=0o755)
        assert store.root() == ours
        assert stat.S_IMODE(ours.stat().st_mode) == 0o700
        ours.chmod(0o777)  # somebody else may have put something there
        with pytest.raises(Unavailable, match="not a private folder"):
            store.root()
    finally:
        os.umask(mask)


def test_a_file_that_others_can_read_is_not_unpickled(pilot_record: Make) -> None:
    ref = put(np.arange(10), pilot=pilot_record())
    (store.NodeStore(ref.place).folder / ref.id).chmod(0o644)
    with pytest.raises(Unavailable, match="not a private file"):
        ref.get()


@pytest.mark.parametrize("cut", [5, 20, 700])
def test_a_file_cut_short_is_an_error_and_no_crash(pilot_record: Make, cut: int) -> None:
    ref = put(np.arange(1000.0), pilot=pilot_record())
    os.truncate(store.NodeStore(ref.place).folder / ref.id, cut)
    with pytest.raises(PilothouseError, match="not an object of the node store"):
        ref.view()


def test_an_object_that_does_not_fit_is_refused_with_both_sizes(pilot_record: Make) -> None:
    name = pilot_record()
    folder = store.NodeStore(put(1, pilot=name).place).folder
    # 32 TiB of address space without memory behind it (the last flag is MAP_NORESERVE)
    claimed = mmap.mmap(-1, 2**45, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
    before = sorted(folder.iterdir())
    with pytest.raises(Unavailable, match=r"has 33,554,432\.0 MiB and the node store has room for [\d,.]+ MiB"):
        put(np.frombuffer(claimed, dtype=np.uint8), pilot=name)
    assert sorted(folder.iterdir()) == before


def test_what_does_not_pickle_is_refused_and_leaves_nothing(pilot_record: Make) -> None:
    name = pilot_record()
    with pytest.raises(InvalidInput, match="can't be stored") as caught:
        put(lambda: 0, pilot=name)
    assert caught.value.field == "obj"
    assert report() == []


def test_an_unknown_pilot_and_an_ended_one_are_refused(pilot_record: Make) -> None:
    with pytest.raises(NotFound, match="no pilot called 'nobody'"):
        put(1, pilot="nobody")
    with pytest.raises(Conflict, match="is finished"):
        put(1, pilot=pilot_record("old", State.FINISHED))


def test_a_reference_of_another_node_says_where_the_data_is(pilot_record: Make) -> None:
    ref = put(1, pilot=pilot_record()).model_copy(update={"host": "elsewhere"})
    for use in (ref.get, ref.view, ref.evict):
        with pytest.raises(Unavailable, match="on the node 'elsewhere'"):
            use()


def test_a_pilot_whose_nodes_are_elsewhere_takes_no_data_from_here(pilot_record: Make) -> None:
    record = PILOTS.read(pilot_record())
    record.nodes = [NodeRecord(name="n1", host="elsewhere")]
    PILOTS.write(record)
    with pytest.raises(Unavailable, match="nodes of the pilot 'anna' are on elsewhere"):
        put(1, pilot="anna")


@pytest.mark.parametrize("change", [{"id": "../../etc/passwd"}, {"size": -1}, {"more": 1}])
def test_a_doctored_reference_is_refused(pilot_record: Make, change: dict[str, Any]) -> None:
    import json

    text = json.dumps({**put(1, pilot=pilot_record()).model_dump(), **change})
    with pytest.raises(InvalidInput) as caught:
        Ref.from_json(text)
    assert caught.value.field == next(iter(change))


def test_a_reference_can_not_lead_out_of_the_store(pilot_record: Make) -> None:
    ref = put(1, pilot=pilot_record()).model_copy(update={"place": "../secret"})
    with pytest.raises(InvalidInput, match="not a folder of a node store"):
        ref.get()


def test_the_next_put_removes_what_ended_pilots_left(pilot_record: Make) -> None:
    old = put(np.arange(10), pilot=pilot_record("old"))
    lasting = put(np.arange(10), pilot=pilot_record("lasting"))
    pilot_record("old", State.LOST)
    put(1, pilot=pilot_record("new"))
    assert {line["pilot"] for line in report()} == {"lasting", "new"}
    assert lasting.view().sum() == 45
    with pytest.raises(NotFound, match="'old' has no data on this node"):
        old.get()


@pytest.mark.parametrize("state", [State.RUNNING, State.LOST])
@pytest.mark.parametrize(("lease_s", "swept"), [(600, []), (-1, ["anna"])])
def test_a_pilot_whose_supervisor_was_killed_is_swept_once_its_lease_is_over(
    pilot_record: Make, state: State, lease_s: float, swept: list[str]
) -> None:
    from pilothouse.registry.records import ProcessRef

    put(1, pilot=pilot_record())
    record = PILOTS.read("anna")
    dead = multiprocessing.get_context("spawn").Process(target=int)
    dead.start()
    assert dead.pid is not None
    pid = dead.pid
    dead.join()
    record.supervisor = ProcessRef(host=store.this_host(), pid=pid, started=1.0)
    record.state, record.lease_end = state, utcnow() + timedelta(seconds=lease_s)
    PILOTS.write(record)
    assert sweep() == swept
    assert len(report()) == 1 - len(swept)


def test_a_younger_pilot_of_the_same_name_does_not_see_the_older_ones_data(pilot_record: Make) -> None:
    old = put(np.arange(3), pilot=pilot_record())
    new = put(np.arange(4), pilot=pilot_record())
    assert old.place != new.place
    assert sweep() == []  # the second put has done it
    with pytest.raises(NotFound):
        old.get()
    assert new.view().shape == (4,)


def test_a_pilots_end_removes_its_data_and_no_others(pilot_record: Make) -> None:
    put(1, pilot=pilot_record("one"))
    put(1, pilot=pilot_record("two"))
    remove_leftovers(PILOTS.folder("one"))
    remove_leftovers(PILOTS.folder("one"))
    assert [line["pilot"] for line in report()] == ["two"]


def _sum_in_another_process(text: str) -> float:
    return float(Ref.from_json(text).view().sum())


def test_another_process_of_the_node_reads_the_same_object(pilot_record: Make) -> None:
    ref = put(np.arange(1000.0), pilot=pilot_record())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(_sum_in_another_process, (ref.model_dump_json(),)).get(timeout=60) == 499500


def _write_until_killed(place: str) -> None:
    node_store = store.NodeStore(place)
    piece = memoryview(bytes(2**20))

    class Slow(list[memoryview]):
        def __iter__(self) -> Any:
            return iter([piece] * 64)

    while True:
        node_store.write(Slow())


def test_a_writer_killed_half_way_leaves_no_object_that_is_not_whole(pilot_record: Make) -> None:
    ref = put(1, pilot=pilot_record())
    folder = store.NodeStore(ref.place).folder
    process = multiprocessing.get_context("spawn").Process(target=_write_until_killed, args=(ref.place,))
    process.start()
    eventually(lambda: len(list(folder.iterdir())) >= 3, "the third write")
    process.kill()
    process.join()
    found = [path for path in folder.iterdir() if not path.name.startswith((".", "owner")) and path.name != ref.id]
    assert all(path.stat().st_size == 64 * 2**20 for path in found)


def test_dask_tokens_of_a_reference_are_stable_and_need_no_data(pilot_record: Make) -> None:
    from dask.base import tokenize

    ref = put(np.arange(10), pilot=pilot_record())
    other = put(np.arange(10), pilot="anna")
    ref.evict()
    assert tokenize(ref) == tokenize(Ref.from_json(ref.model_dump_json())) != tokenize(other)


def test_views_take_no_file_descriptors(pilot_record: Make) -> None:
    name = pilot_record()
    refs = [put(np.arange(10) + i, pilot=name) for i in range(5)]
    before = len(os.listdir("/proc/self/fd"))
    views = [ref.view() for ref in refs for _ in range(100)]
    assert len(os.listdir("/proc/self/fd")) <= before  # what an earlier test of this process left may go meanwhile
    assert sum(int(view[0]) for view in views) == 100 * (0 + 1 + 2 + 3 + 4)


def test_memory_of_a_view_is_given_back_with_its_last_array(pilot_record: Make) -> None:
    ref = put(np.zeros(2**20), pilot=pilot_record())

    def maps() -> int:
        return Path("/proc/self/maps").read_text().count(ref.id)

    part = ref.view()[10:20]
    assert maps() == 1
    assert part.sum() == 0
    del part
    assert maps() == 0


def test_what_a_killed_writer_left_is_counted_and_swept(pilot_record: Make) -> None:
    ref = put(np.arange(10), pilot=pilot_record())
    folder = store.NodeStore(ref.place).folder
    gone = multiprocessing.get_context("spawn").Process(target=int)
    gone.start()
    gone.join()
    left, fresh, live = (folder / f".{ref.id}.{pid}" for pid in (gone.pid, 2**22 + 1, os.getpid()))
    for path in (left, fresh, live):
        path.write_bytes(b"x" * 1000)
    for path in (left, live):
        os.utime(path, (0, 0))
    assert report() == [{"pilot": "anna", "objects": 1, "size": ref.size + 3000}]
    assert sweep() == []
    assert {path.name for path in folder.glob(".*")} == {fresh.name, live.name}
