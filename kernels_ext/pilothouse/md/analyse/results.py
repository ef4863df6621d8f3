"""What an analysis found, as one labelled dataset: named dimensions, units, provenance, on disk as zarr 3."""

from __future__ import annotations

import json
import os
import platform
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray

    from pilothouse.md.universes.recipe import UniverseRecipe

#: (class, key) -> dimensions after the first or all of them, for the analyses whose shapes don't tell.
_DIMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("InterRDF", "bins"): ("bin",),
    ("InterRDF", "rdf"): ("bin",),
    ("InterRDF", "count"): ("bin",),
    ("InterRDF", "edges"): ("edge",),
    ("InterRDF_s", "bins"): ("bin",),
    ("InterRDF_s", "edges"): ("edge",),
    ("Ramachandran", "angles"): ("frame", "residue", "angle"),
    ("Janin", "angles"): ("frame", "residue", "angle"),
    ("Dihedral", "angles"): ("frame", "dihedral"),
    ("BAT", "bat"): ("frame", "coordinate"),
    ("AtomicDistances", "distances"): ("frame", "pair"),
    ("DSSP", "dssp"): ("frame", "residue"),
    ("DSSP", "dssp_ndarray"): ("frame", "residue", "structure"),
    ("DistanceMatrix", "dist_matrix"): ("frame", "frame_2"),
    ("Contacts", "timeseries"): ("frame", "column"),
    ("HydrogenBondAnalysis", "hbonds"): ("hbond", "column"),
    ("GNMAnalysis", "eigenvectors"): ("frame", "component"),
    ("closeContactGNMAnalysis", "eigenvectors"): ("frame", "component"),
}

#: (class, key) -> unit; a class that is not here has its keys' units left out rather than guessed.
_UNITS = {
    ("RMSD", "rmsd"): "Å", ("RMSD", "rmsd_group"): "Å",
    ("InterRDF", "bins"): "Å", ("InterRDF", "edges"): "Å", ("InterRDF", "rdf"): "1",
    ("InterRDF_s", "bins"): "Å", ("InterRDF_s", "edges"): "Å",
    ("Ramachandran", "angles"): "degree", ("Janin", "angles"): "degree", ("Dihedral", "angles"): "degree",
    ("AtomicDistances", "distances"): "Å", ("DistanceMatrix", "dist_matrix"): "Å",
    ("PersistenceLength", "lb"): "Å", ("PersistenceLength", "lp"): "Å", ("PersistenceLength", "x"): "Å",
    ("NucPairDist", "pair_distances"): "Å", ("WatsonCrickDist", "pair_distances"): "Å",
    ("MinorPairDist", "pair_distances"): "Å", ("MajorPairDist", "pair_distances"): "Å",
}  # fmt: skip

_LABELS = {
    ("Ramachandran", "angle"): ["phi", "psi"],
    ("Janin", "angle"): ["chi1", "chi2"],
    ("DSSP", "structure"): ["-", "H", "E"],
    ("HydrogenBondAnalysis", "column"): ["frame", "donor", "hydrogen", "acceptor", "distance_A", "angle_deg"],
}

_LONG_NAMES = {
    "rmsd": "root-mean-square deviation from the reference after a fit",
    "rmsd_group": "root-mean-square deviation of a group, fitted on the selection",
    "rdf": "radial distribution function",
    "timeseries": "value at each frame",
    "dist_matrix": "RMSD between frames",
}


def to_dataset(analysis: Any, attrs: Mapping[str, Any]) -> xarray.Dataset:
    """The results of a finished analysis.

    Parameters
    ----------
    analysis
        An instance of a subclass of MDAnalysis's ``AnalysisBase`` after ``run``.
    attrs
        Provenance to keep with the dataset.

    Returns
    -------
    xarray.Dataset
        Every array in ``analysis.results`` under its own name (nested ones joined with ``_``), with the values
        and the type that MDAnalysis gave it, but for private names. A first axis as long as the analysed frames is
        ``frame`` (coordinates: frame number, ``time`` in ps), unless parts of it are summed up; one as long as the
        only AtomGroup is ``atom``; others have names of their own. Of ``RMSD``, whose array repeats frame and time,
        ``rmsd`` is the third column and ``rmsd_group`` the ones after it. What is no array is listed in
        ``attrs["left_out"]``.
    """
    import xarray

    name = type(analysis).__name__
    frames, times = np.asarray(analysis.frames), np.asarray(analysis.times)
    atoms = _atoms(analysis)
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {
        "frame": ("frame", frames, {"long_name": "frame of the trajectory, from 0"}),
        "time": ("frame", times, {"units": "ps", "long_name": "time"}),
    }
    left_out: list[str] = []
    summed = _summed(analysis)
    for key, value in _flatten(analysis, name):
        array = _array(value)
        if array is None:
            left_out.append(key)
            continue
        if key in ("frames", "times") and array.shape == frames.shape:
            continue  # the coordinates say so already
        per_frame = not any(key == whole or key.startswith(f"{whole}_") for whole in summed)
        dims = _dims(name, key, array.shape, len(frames) if per_frame else -1, 0 if atoms is None else len(atoms))
        marks = {"long_name": _LONG_NAMES.get(key, key.replace("_", " "))}
        if (name, key) in _UNITS:
            marks["units"] = _UNITS[name, key]
        if key == "time" or key in dims:
            key = f"{key}_value"
        data[key] = (dims, array, marks)
        for dim in dims:
            if (name, dim) in _LABELS and array.shape[dims.index(dim)] == len(_LABELS[name, dim]):
                coords[dim] = _LABELS[name, dim]
    if atoms is not None and any("atom" in dims for dims, _, _ in data.values()):
        coords.update(atom_coords(atoms))
    everything = {**attrs, "left_out": left_out} if left_out else dict(attrs)
    return xarray.Dataset(data, coords=coords, attrs={key: plain(value) for key, value in everything.items()})


def atom_coords(atoms: Any) -> dict[str, Any]:
    """Coordinates of the dimension ``atom``: index, name, resid, resname, segid, as far as the topology has them."""
    coords: dict[str, Any] = {"atom": np.asarray(atoms.indices)}
    for label, attribute in (("name", "names"), ("resid", "resids"), ("resname", "resnames"), ("segid", "segids")):
        if hasattr(atoms, attribute):
            values = np.asarray(getattr(atoms, attribute))
            coords[label] = ("atom", values.astype(str) if values.dtype == object else values)
    return coords


def _atoms(analysis: Any) -> Any:
    """The AtomGroup that the analysis is about, where there is no doubt."""
    from MDAnalysis.core.groups import AtomGroup

    for attribute in ("mobile_atoms", "atomgroup", "_ag", "ag"):
        if isinstance(getattr(analysis, attribute, None), AtomGroup):
            return getattr(analysis, attribute)
    groups = [value for value in getattr(analysis, "args", ()) if isinstance(value, AtomGroup)]
    return groups[0] if len(groups) == 1 else None


def _summed(analysis: Any) -> set[str]:
    """The results of which the parts are summed or averaged: they have no axis of frames, however long one is."""
    from MDAnalysis.analysis.results import ResultsGroup

    lookup = getattr(analysis._get_aggregator(), "_lookup", None) or {}  # noqa: SLF001 - where AnalysisBase says how parts become one
    sums = (ResultsGroup.ndarray_sum, ResultsGroup.ndarray_mean, ResultsGroup.float_mean)
    return {str(key) for key, how in lookup.items() if how in sums}


def _flatten(analysis: Any, name: str) -> Iterator[tuple[str, Any]]:
    for key, value in analysis.results.items():
        if str(key).startswith("_"):  # what the class notes for itself
            continue
        if name == "RMSD" and key == "rmsd":
            yield key, value[:, 2]
            if value.shape[1] > 3:
                yield "rmsd_group", value[:, 3:]
        elif name == "DensityAnalysis" and key == "density":
            yield key, value.grid
            for axis, edges in zip("xyz", value.edges, strict=True):
                yield f"edge_{axis}", edges
        else:
            yield from _walk(str(key), value)


def _walk(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) or hasattr(value, "items"):
        for inner, item in value.items():
            yield from _walk(f"{key}_{inner}", item)
    elif isinstance(value, (list, tuple)) and _array(value) is None:
        for number, item in enumerate(value):
            yield from _walk(f"{key}_{number}", item)
    else:
        yield key, value


def _array(value: Any) -> Any:
    """`value` as an array of numbers, truths or text; None when it is none."""
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        return None
    if array.dtype == object:
        return None
    return array if array.dtype.kind in "biufcSU" else None


def _dims(name: str, key: str, shape: tuple[int, ...], n_frames: int, n_atoms: int) -> tuple[str, ...]:
    known = _DIMS.get((name, key))
    if known and len(known) == len(shape):
        return known
    if name == "RMSD":
        return ("frame", "group")[: len(shape)]
    if name == "DensityAnalysis":
        return ("x", "y", "z") if key == "density" else (key,)
    if name == "LinearDensity":
        return ((f"edge_{key[0]}" if key.endswith("edges") else f"bin_{key[0]}"),)[: len(shape)]
    dims: list[str] = []
    for axis, length in enumerate(shape):
        if axis == 0 and length == n_frames:
            dims.append("frame")
        elif length == n_atoms and "atom" not in dims:
            dims.append("atom")
        elif length == 3 and axis == len(shape) - 1 and "atom" in dims:
            dims.append("xyz")
        else:
            dims.append(f"{key}_{axis}")
    return tuple(dims)


def provenance(**more: Any) -> dict[str, Any]:
    """Versions, host and time: what every dataset says of its making, and what the caller adds."""
    packages = ("pilothouse", "MDAnalysis", "numpy", "distributed")
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {**{package: version(package) for package in packages}, "python": platform.python_version()},
        **more,
    }


def describe_files(recipes: Iterable[UniverseRecipe]) -> list[dict[str, Any]]:
    """The files of Universes, with their hashes."""
    return [
        {"topology": asdict(recipe.topology), "trajectories": [asdict(file) for file in recipe.trajectories]}
        for recipe in recipes
    ]


def plain(value: Any) -> Any:
    """Attributes must be text, numbers or lists of them for every file format: the rest becomes JSON text."""
    if isinstance(value, (str, int, float)):
        return value
    return json.dumps(value, default=str)


def write(dataset: xarray.Dataset, path: Path) -> None:
    """Write `dataset` to `path` as zarr 3, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with warnings.catch_warnings():
        # zarr's own note that text has no final place in the zarr 3 specification; xarray reads it back.
        warnings.filterwarnings("ignore", message=".*(does not have a Zarr V3|is not part of the Zarr|Zarr V3).*")
        dataset.to_zarr(temporary, zarr_format=3, consolidated=False)
    shutil.rmtree(path, ignore_errors=True)
    temporary.rename(path)
