"""Objects that say where their data is and do not hold it: they are loaded before they are stored, or refused.

Pickled as they are, a recipe would be stored: what :meth:`Ref.get` gives would be what the file, or the graph, says by
then. What `xarray` opened lazily keeps its type when it is loaded, so it is; for the others the error says how.
"""

from __future__ import annotations

import ctypes
import pickle
from collections.abc import Callable
from typing import IO, Any

from pilothouse.errors import InvalidInput

#: (package, class among the bases) -> how to get the data. The packages need not be there.
_REMEDIES = {
    ("zarr", "Array"): "put array[:]",
    ("zarr", "AsyncArray"): "put what await array.getitem(...) gives",
    ("zarr", "Group"): "put the arrays in it, group['name'][:]",
    ("zarr", "AsyncGroup"): "put the arrays in it",
    ("h5py", "Dataset"): "put dataset[()]",
    ("h5py", "Group"): "put the datasets in it, file['name'][()]",
    ("netCDF4", "Variable"): "put variable[:]",
    ("netCDF4", "Dataset"): "put the variables in it, dataset['name'][:]",
    ("distributed", "Future"): "put future.result(), or put the object from the task itself",
    ("proxystore", "Proxy"): "put proxystore.proxy.extract(proxy)",
    ("polars", "LazyFrame"): "put frame.collect()",
    ("pyarrow", "Dataset"): "put dataset.to_table()",
    ("fsspec", "OpenFile"): "open it and put what read() gives",
    ("fsspec", "AbstractBufferedFile"): "put what read() gives",
    ("fsspec", "LocalFileOpener"): "put what read() gives",
    ("MDAnalysis", "ProtoReader"): "put positions, u.trajectory.timeseries(), or first u.transfer_to_memory()",
    ("xarray", "FileManager"): "load what was opened with it",
}
_HELD = {("MDAnalysis", "MemoryReader")}
_COLLECTION = "compute it first, obj.compute(), or on the pilot, client.compute(obj).result()"


class Pickler(pickle.Pickler):
    """Pickles what objects hold, by protocol 5, large buffers of numpy arrays aside.

    Parameters
    ----------
    file
        Gets the pickle.
    aside
        Gets the buffers.
    check
        Called with the bytes that are about to be loaded, all together, before they are.

    Raises
    ------
    InvalidInput
        An object is a recipe, and only the user can say how it is to be had.
    """

    def __init__(
        self, file: IO[bytes], aside: Callable[[pickle.PickleBuffer], Any], check: Callable[[int], None]
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=aside)
        self._check = check
        self._loaded = 0
        self._plain: set[type] = set()

    def reducer_override(self, obj: Any) -> Any:
        """How `obj` is pickled, where that is not as usual; found by its class: nothing of it is touched before."""
        kind = type(obj)
        if kind in self._plain:
            return NotImplemented
        package = kind.__module__.partition(".")[0]
        if package == "numpy":
            return _array(obj)
        if package == "xarray":
            return self._labelled(obj)
        bases = [(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__]
        remedy = next((_REMEDIES[base] for base in bases if base in _REMEDIES), None)
        if remedy is not None and not any(base in _HELD for base in bases):
            raise _recipe(kind, remedy)
        if hasattr(kind, "__dask_graph__"):
            if obj.__dask_graph__() is not None:
                raise _recipe(kind, _COLLECTION)
        else:
            self._plain.add(kind)
        return NotImplemented

    def _labelled(self, obj: Any) -> Any:
        import xarray as xr  # it is there: `obj` is of it

        if isinstance(obj, (xr.Dataset, xr.DataArray)) and obj._close is not None:  # noqa: SLF001 - xarray tells nowhere else of the open file
            return obj.copy(deep=False).__reduce_ex__(5)  # without the file that it came from
        if isinstance(obj, xr.DataTree) and any(node._close is not None for node in obj.subtree):  # noqa: SLF001 - as above
            return obj.copy(deep=False).__reduce_ex__(5)
        if isinstance(obj, xr.Variable) and not obj._in_memory:  # noqa: SLF001 - xarray has no public word for it
            self._loaded += obj.nbytes
            self._check(self._loaded)
            return obj.compute().__reduce_ex__(5)
        if any((base.__module__.partition(".")[0], base.__name__) in _REMEDIES for base in type(obj).__mro__):
            raise _recipe(type(obj), _REMEDIES["xarray", "FileManager"])
        return NotImplemented


def _array(obj: Any) -> Any:
    """Arrays whose buffers numpy would copy into the pickle, and read-only ones, whose copies must not be so."""
    import numpy as np  # it is there: `obj` is of it

    if type(obj) is not np.ndarray and not isinstance(obj, np.memmap):
        return NotImplemented
    array = np.asarray(obj)
    if array.dtype.kind in "mM":  # which the buffer protocol does not know
        return _seen_as, (array.view("i8"), array.dtype)
    if not array.flags.forc and not array.dtype.hasobject:
        array = np.ascontiguousarray(array)
    reduced: Any = array.__reduce_ex__(5)
    make, arguments, *rest = reduced
    if isinstance(arguments[0], pickle.PickleBuffer) and not array.flags.writeable:
        # pickle notes of a read-only buffer that it is to stay so: this one is of the same memory, and nobody writes to
        # it.
        same: Any = (ctypes.c_char * array.nbytes).from_address(array.ctypes.data)
        same.owner = array  # keeps the memory
        arguments = (pickle.PickleBuffer(same), *arguments[1:])
    return (make, arguments, *rest)


def _seen_as(array: Any, dtype: Any) -> Any:
    return array.view(dtype)


def _recipe(kind: type, remedy: str) -> InvalidInput:
    return InvalidInput(
        f"obj is, or holds, a {kind.__module__}.{kind.__qualname__}, which says where its data is and does not hold "
        f"it: {remedy}",
        field="obj",
    )
