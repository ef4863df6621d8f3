"""What does not hold its data: loaded, or refused with the way to load it; never stored as a recipe."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import dask.array
import MDAnalysis
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from MDAnalysisTests.datafiles import DCD, PSF

from pilothouse.data import Ref, codec, put
from pilothouse.errors import InvalidInput, Unavailable

VALUES = np.arange(200_000.0)


@pytest.fixture
def dataset() -> xr.Dataset:
    return xr.Dataset(
        {"rmsd": ("frame", VALUES.copy(), {"units": "Å"})}, coords={"time": ("frame", VALUES * 2)}, attrs={"by": "test"}
    )


def opened(path: Path, how: str) -> Any:
    if how == "netcdf":
        return xr.open_dataset(path / "a.nc")
    if how == "netcdf array":
        return xr.open_dataset(path / "a.nc")["rmsd"]
    if how == "zarr":
        return xr.open_zarr(path / "a.zarr", chunks=None, consolidated=False)
    if how == "zarr in chunks":
        return xr.open_zarr(path / "a.zarr", chunks={}, consolidated=False)
    if how == "tree":
        return xr.open_datatree(path / "tree.zarr", engine="zarr", consolidated=False)
    if how == "variable":
        return xr.open_dataset(path / "a.nc")["rmsd"].variable
    assert how == "inside"
    return {"frames": [xr.open_zarr(path / "a.zarr", chunks=None, consolidated=False)]}


@pytest.mark.parametrize("how", ["netcdf", "netcdf array", "zarr", "zarr in chunks", "tree", "variable", "inside"])
def test_what_xarray_opened_lazily_is_stored_as_it_was_then(
    pilot_record: Callable[..., str], dataset: xr.Dataset, tmp_path: Path, how: str
) -> None:
    dataset.to_netcdf(tmp_path / "a.nc")
    dataset.to_zarr(tmp_path / "a.zarr", consolidated=False)
    xr.DataTree.from_dict({"/": dataset, "/part": dataset}).to_zarr(tmp_path / "tree.zarr", consolidated=False)
    lazy = opened(tmp_path, how)
    ref = put(lazy, pilot=pilot_record())
    assert ref.size > VALUES.nbytes
    (tmp_path / "a.nc").unlink()
    dataset["rmsd"][:] = 0.0
    dataset.to_zarr(tmp_path / "a.zarr", mode="w", consolidated=False)
    back = ref.view()
    assert type(back) is type(lazy)
    if isinstance(back, dict):
        back = back["frames"][0]
    if isinstance(back, xr.DataTree):
        back = back["part"].to_dataset()
    found = back["rmsd"] if isinstance(back, xr.Dataset) else back
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.attrs == {"units": "Å"}


def test_loading_for_the_store_leaves_the_users_object_lazy(dataset: xr.Dataset, tmp_path: Path) -> None:
    dataset.to_zarr(tmp_path / "a.zarr", consolidated=False)
    lazy = xr.open_zarr(tmp_path / "a.zarr", chunks={}, consolidated=False)
    codec.encode(lazy)
    assert lazy["rmsd"].chunks is not None


def test_what_is_too_large_is_refused_before_it_is_loaded(pilot_record: Callable[..., str]) -> None:
    def never(*_: Any, **__: Any) -> None:
        pytest.fail("it was loaded")

    huge = dask.array.from_delayed(dask.delayed(never)(), shape=(2**50,), dtype="u1")
    with pytest.raises(Unavailable, match="room"):
        put(xr.DataArray(huge), pilot=pilot_record())


def recipes(path: Path) -> Iterator[tuple[str, Any, str]]:
    stored = zarr.open_array(path / "b.zarr", mode="w", shape=(10,), dtype="f8")
    yield "zarr array", stored, r"array\[:\]"
    yield "zarr group", zarr.open_group(path / "c.zarr", mode="w"), "arrays in it"
    yield "dask array", dask.array.ones(3), r"compute\(\)"
    yield "delayed", dask.delayed(int)(3), r"compute\(\)"
    yield "inside", {"a": [dask.array.ones(3)]}, r"compute\(\)"
    yield "in an object array", np.array([dask.delayed(int)(3), 1], dtype=object), r"compute\(\)"


KINDS = ["zarr array", "zarr group", "dask array", "delayed", "inside", "in an object array"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_only_the_user_can_load_is_refused_with_the_way(
    pilot_record: Callable[..., str], node_store: Path, tmp_path: Path, kind: str
) -> None:
    ((obj, remedy),) = [(obj, remedy) for name, obj, remedy in recipes(tmp_path) if name == kind]
    with pytest.raises(InvalidInput, match=remedy) as caught:
        put(obj, pilot=pilot_record())
    assert caught.value.field == "obj"
    assert list(node_store.iterdir()) == []


def test_a_proxy_is_refused_and_not_resolved() -> None:
    from proxystore.proxy import Proxy

    def factory() -> Any:
        pytest.fail("it was resolved")

    with pytest.raises(InvalidInput, match="extract"):
        codec.encode({"a": Proxy(factory)})


@pytest.mark.filterwarnings("ignore:DCDReader:DeprecationWarning")
def test_a_trajectory_in_files_is_refused_and_one_in_memory_is_stored() -> None:
    universe = MDAnalysis.Universe(PSF, DCD)
    for obj in (universe, universe.atoms):
        with pytest.raises(InvalidInput, match="transfer_to_memory"):
            codec.encode(obj)
    universe.transfer_to_memory()
    assert sum(piece.nbytes for piece in codec.encode(universe)) > universe.trajectory.timeseries().nbytes


def test_an_open_file_and_a_generator_are_refused() -> None:
    with tempfile.TemporaryFile() as file:
        for obj in (file, io.TextIOWrapper(io.BytesIO()), (i for i in range(3))):
            with pytest.raises(InvalidInput, match="can't be stored"):
                codec.encode(obj)


def test_a_memory_map_is_stored_as_its_data_in_one_copy(pilot_record: Callable[..., str], tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "m", dtype="f8", mode="w+", shape=VALUES.shape)
    mapped[:] = VALUES
    ref = put(mapped, pilot=pilot_record())
    assert VALUES.nbytes <= ref.size < VALUES.nbytes + 1000
    mapped[:] = 0
    mapped.flush()
    back = ref.view()
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, VALUES)


def read_only() -> np.ndarray[Any, Any]:
    array = VALUES.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "array",
    [VALUES[::3], VALUES.reshape(400, 500).T[::2], VALUES.astype("M8[ns]"), VALUES[::2].astype("m8[s]"), VALUES[:0]],
    ids=["strided", "transposed", "dates", "times", "empty"],
)
def test_a_view_of_any_array_is_read_only_and_mapped(
    pilot_record: Callable[..., str], array: np.ndarray[Any, Any]
) -> None:
    ref = put([array], pilot=pilot_record())
    (view,) = ref.view()
    assert (view.dtype, view.shape, view.flags.writeable) == (array.dtype, array.shape, False)
    np.testing.assert_array_equal(view, array)
    assert ref.get()[0].flags.writeable
    assert len(pickle_of(ref)) < 1000  # its buffer lies beside it


def pickle_of(ref: Ref) -> memoryview:
    import json

    data = ref._read()
    length = int.from_bytes(data[8:16], "little")
    ((start, size), *_) = json.loads(bytes(data[16 : 16 + length]))["buffers"]
    return data[16 + length + start : 16 + length + start + size]


@pytest.mark.parametrize("strided", [False, True])
def test_a_copy_of_what_was_read_only_is_ones_own_to_change(pilot_record: Callable[..., str], strided: bool) -> None:
    array = read_only()[::2] if strided else read_only()
    ref = put({"a": array}, pilot=pilot_record())
    mine = ref.get()["a"]
    mine[0] = -1.0
    np.testing.assert_array_equal(mine[1:], array[1:])
    view = ref.view()["a"]
    assert not view.flags.writeable
    np.testing.assert_array_equal(view, array)
    frame = put(pd.DataFrame({"a": array}), pilot="anna").get()
    frame.loc[0, "a"] = -1.0
    assert frame["a"].sum() == mine.sum()
