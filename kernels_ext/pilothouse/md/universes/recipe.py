"""Universes by recipe: what a worker needs to build the user's Universe again, instead of the Universe itself.

A recipe names the topology and trajectory files and what they looked like. Anything that refers to a Universe
(an analysis, an AtomGroup, a function with AtomGroups among its arguments) is pickled with the Universe
replaced by its recipe's number; the worker puts a Universe of its own in that place. Universes that do not come
from files travel whole, up to a limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cloudpickle
import MDAnalysis
import numpy as np
from MDAnalysis.coordinates.base import ProtoReader
from MDAnalysis.coordinates.memory import MemoryReader

from pilothouse.errors import InvalidInput
from pilothouse.md.universes.files import FileStamp, check_complete

#: The most that a task may carry: in-memory Universes and arrays among its arguments.
CARRY_LIMIT = 256 * 2**20
#: Memory for idle Universes in a worker, as estimated below.
_POOL_BYTES = 2**30
_BYTES_PER_ATOM = 500

#: Arguments of Universe that are not the reader's or the parser's own.
_REBUILT = {"transformations", "in_memory", "in_memory_step", "all_coordinates"}
#: Arguments of a reader that follow from the others.
_OF_FILES = {"filename", "filenames", "n_atoms"}


@dataclass(frozen=True)
class UniverseRecipe:
    """How to build one Universe again.

    Attributes
    ----------
    topology, trajectories
        Its files; no trajectories when the topology file holds the coordinates too.
    options
        Pickled keyword arguments of ``MDAnalysis.Universe``.
    reading
        Pickled keyword arguments of its reader: ``load_new`` may have been given others (``dt``, ``time_offset``).
    n_atoms, n_frames, frame
        What must come out, and the frame to stand at.
    attributes
        sha256 of the topology's attributes.
    positions
        sha256 of the coordinates of `frame`; empty when transformations change them.
    notes
        What :func:`~pilothouse.md.universes.files.check_complete` had to say.
    """

    topology: FileStamp
    trajectories: tuple[FileStamp, ...]
    options: bytes
    reading: bytes
    n_atoms: int
    n_frames: int
    frame: int
    attributes: str
    positions: str
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(universe: Any) -> UniverseRecipe:
        """The recipe of `universe`.

        Raises
        ------
        InvalidInput
            A file is missing or truncated, or the Universe has data beside its files (auxiliary readers).
        """
        reader = universe.trajectory
        if getattr(reader, "_auxs", None):
            raise InvalidInput(
                "trajectory: auxiliary data can't be sent to a pilot; remove it with trajectory.remove_auxiliary(name)",
                field="trajectory",
            )
        names = getattr(reader, "filenames", None)
        files = [reader.filename] if names is None else list(names)
        topology = FileStamp.of(universe.filename, field="topology")
        trajectories = tuple(FileStamp.of(str(file), field="trajectory") for file in files)
        notes = tuple(check_complete(reader, field="trajectory"))
        options = {key: value for key, value in universe._kwargs.items() if key not in _REBUILT}  # noqa: SLF001 - MDAnalysis keeps the options of reading nowhere else
        return UniverseRecipe(
            topology=topology,
            trajectories=trajectories,
            options=cloudpickle.dumps(options),
            reading=cloudpickle.dumps(_reading(reader)),
            n_atoms=len(universe.atoms),
            n_frames=len(reader),
            frame=int(reader.ts.frame),
            attributes=_attributes_digest(universe),
            positions="" if _transformations(reader) else _positions_digest(universe),
            notes=notes,
        )

    @property
    def key(self) -> str:
        """Equal for recipes of Universes that differ at most in the frame that they stand at."""
        text = repr((self.topology, self.trajectories, self.options, self.reading, self.attributes))
        return hashlib.sha256(text.encode()).hexdigest()

    def build(self) -> Any:
        """Build the Universe, checking that the files are those that were given and complete.

        Raises
        ------
        InvalidInput
            A file is missing, changed or truncated, or the files don't give the Universe that the user has.
        """
        self.topology.check(field="topology")
        for stamp in self.trajectories:
            stamp.check(field="trajectory")
        options, reading = pickle.loads(self.options), pickle.loads(self.reading)  # noqa: S301 - the user's own
        paths = [stamp.path for stamp in self.trajectories]
        # Of one file that is both, the format of either is the format of the other.
        universe = MDAnalysis.Universe(self.topology.path, *(() if paths == [self.topology.path] else paths), **options)
        if _reading(universe.trajectory) != reading:
            universe.load_new(paths if len(paths) > 1 else paths[0], **reading)
        check_complete(universe.trajectory, field="trajectory")
        if len(universe.trajectory) != self.n_frames:
            raise InvalidInput(
                f"trajectory: {self.n_frames} frames were given, {len(universe.trajectory)} are read on the node",
                field="trajectory",
            )
        if _attributes_digest(universe) != self.attributes:
            raise InvalidInput(
                f"topology: the Universe in memory is not what its file {self.topology.path} gives (atoms, bonds, "
                "masses or names were changed or guessed); call universe.transfer_to_memory() to send it as it is",
                field="topology",
            )
        return universe

    def stand(self, universe: Any) -> None:
        """Move `universe` to the frame at which the user's stood."""
        universe.trajectory[self.frame]
        if self.positions and _positions_digest(universe) != self.positions:
            raise InvalidInput(
                f"trajectory: the coordinates of frame {self.frame} were changed in memory and differ from those in "
                f"{self.trajectories[0].path}; call universe.transfer_to_memory() to send them as they are",
                field="trajectory",
            )


def _reading(reader: Any) -> dict[str, Any]:
    return {key: value for key, value in getattr(reader, "_kwargs", {}).items() if key not in _OF_FILES}


def _attributes_digest(universe: Any) -> str:
    digest = hashlib.sha256()
    for attribute in sorted(universe._topology.attrs, key=lambda attribute: attribute.attrname):  # noqa: SLF001 - the only list of all attributes, their names with it
        values = getattr(attribute, "values", None)
        if values is None:
            continue  # indices, which are counted, not stored
        digest.update(attribute.attrname.encode())
        if isinstance(values, np.ndarray) and values.dtype != object:
            digest.update(np.ascontiguousarray(values).tobytes())
        else:
            digest.update("\0".join(map(str, values)).encode())
    return digest.hexdigest()


def _positions_digest(universe: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(universe.trajectory.ts.positions).tobytes()).hexdigest()


@dataclass(frozen=True)
class Task:
    """An object and the recipes of the Universes that it refers to.

    Attributes
    ----------
    body
        The pickled object.
    recipes
        Number in the pickle -> recipe.
    transformations
        Pickled list of each recipe's trajectory transformations.
    path
        The user's import path: where a node finds modules that lie beside the notebook.
    """

    body: bytes
    recipes: tuple[UniverseRecipe, ...]
    transformations: bytes
    path: tuple[str, ...]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, universes: list[Any], readers: list[Any]) -> None:
        super().__init__(file)
        self._universes, self._readers = universes, readers

    def persistent_id(self, item: Any) -> Any:
        """The number that takes the place of a Universe from files, or of its reader; None for everything else."""
        if isinstance(item, MDAnalysis.Universe) and _from_files(item):
            return "universe", _number(self._universes, item)
        if isinstance(item, MemoryReader):
            _check_finite(item)
        elif isinstance(item, ProtoReader):
            return "reader", _number(self._readers, item)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, universes: list[Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._universes = universes

    def persistent_load(self, pid: Any) -> Any:
        """The Universe, or its reader, that belongs in this place."""
        kind, number = pid
        return self._universes[number] if kind == "universe" else self._universes[number].trajectory


def _from_files(universe: Any) -> bool:
    reader = universe.trajectory
    names = getattr(reader, "filenames", [getattr(reader, "filename", None)])
    on_disk = all(isinstance(name, (str, os.PathLike)) for name in [universe.filename, *names])
    return on_disk and not isinstance(reader, MemoryReader)


def _number(known: list[Any], item: Any) -> int:
    for number, other in enumerate(known):
        if other is item:
            return number
    known.append(item)
    return len(known) - 1


def pack(item: Any) -> Task:
    """Pickle `item` with its Universes replaced by recipes. Classes of a notebook go by value.

    Raises
    ------
    InvalidInput
        Something in it can't be pickled, is too large, or is a Universe that can't be built again.
    """
    universes: list[Any] = []
    readers: list[Any] = []

    def dump(thing: Any) -> bytes:
        buffer = io.BytesIO()
        # A reader may be met before its Universe: both are numbered, and the numbers matched below.
        _Pickler(buffer, universes, readers).dump(thing)
        return buffer.getvalue()

    try:
        dump(item)
        for reader in list(readers):
            if not any(universe.trajectory is reader for universe in universes):
                raise InvalidInput(
                    f"trajectory: {reader} was given without its Universe; give an AtomGroup of the Universe",
                    field="trajectory",
                )
        # Now that every Universe is known, a reader has the number of its Universe.
        readers[:] = [universe.trajectory for universe in universes]
        body = dump(item)
        transformations = dump([_transformations(universe.trajectory) for universe in universes])
    except (pickle.PicklingError, TypeError, AttributeError, NotImplementedError) as error:
        raise InvalidInput(
            f"analysis: this can't be sent to a pilot: {error}; keep open files, threads and streams out of it",
            field="analysis",
        ) from None
    if len(body) > CARRY_LIMIT:
        raise InvalidInput(
            f"analysis: its Universes and arguments in memory take {len(body) / 2**20:.0f} MiB, at most "
            f"{CARRY_LIMIT // 2**20} MiB can be sent; write the trajectory to a file and open that",
            field="analysis",
        )
    path = tuple(os.path.abspath(entry) for entry in sys.path if not entry.endswith(".zip"))
    return Task(body, tuple(map(UniverseRecipe.of, universes)), transformations, path)


def _check_finite(reader: Any) -> None:
    finite = np.isfinite(reader.timeseries(order="fac")).all(axis=(1, 2))
    if not finite.all():
        raise _not_finite(int(np.argmin(finite)))


def _not_finite(frame: int) -> InvalidInput:
    return InvalidInput(
        f"trajectory: frame {frame} has coordinates that are not numbers; "
        "leave the frame out with start, stop and step, or repair the trajectory",
        field="trajectory",
    )


class Finite:
    """A trajectory transformation that changes nothing and refuses frames with coordinates that are not numbers."""

    parallelizable = True

    def __call__(self, ts: Any) -> Any:
        """Raise :class:`InvalidInput` naming the frame, or return it."""
        if not np.isfinite(ts.positions).all():
            raise _not_finite(ts.frame)
        return ts


def _transformations(reader: Any) -> list[Any]:
    """The user's own, without the check that :func:`unpack` adds."""
    return [change for change in reader.transformations if not isinstance(change, Finite)]


class UniversePool:
    """Universes that this process has built and nobody uses now, the least recently used dropped first."""

    def __init__(self, limit: int = _POOL_BYTES) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[str, int, Any]] = OrderedDict()
        self._bytes = 0
        self._count = 0

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, recipe: UniverseRecipe) -> Any:
        """A Universe made by this recipe, for the caller alone."""
        with self._lock:
            for number, (key, size, universe) in reversed(self._idle.items()):
                if key == recipe.key:
                    del self._idle[number]
                    self._bytes -= size
                    return universe
        return recipe.build()

    def give(self, recipe: UniverseRecipe, universe: Any) -> None:
        """Give it back for the next caller."""
        size = recipe.n_atoms * _BYTES_PER_ATOM
        with self._lock:
            self._idle[self._count] = (recipe.key, size, universe)
            self._count += 1
            self._bytes += size
            while self._bytes > self.limit:
                _, (_, dropped, _) = self._idle.popitem(last=False)
                self._bytes -= dropped


POOL = UniversePool()


@contextlib.contextmanager
def unpack(task: Task, pool: UniversePool = POOL) -> Iterator[Any]:
    """The object in `task`, with Universes that are its own until the context ends."""
    for entry in task.path:
        if entry not in sys.path:
            sys.path.append(entry)  # after this node's own
    with contextlib.ExitStack() as stack:
        universes: list[Any] = []
        for recipe in task.recipes:
            universe = pool.take(recipe)
            universes.append(universe)
            # A reader of one frame never reads it again, so what is done to it must be undone.
            original = universe.trajectory.ts.copy() if recipe.n_frames == 1 else None
            stack.callback(_give_clean, pool, recipe, universe, original)
        transformations = _Unpickler(task.transformations, universes).load()
        for recipe, universe, extra in zip(task.recipes, universes, transformations, strict=True):
            universe.trajectory.add_transformations(*extra, Finite())
            recipe.stand(universe)
        yield _Unpickler(task.body, universes).load()


def _give_clean(pool: UniversePool, recipe: UniverseRecipe, universe: Any, original: Any) -> None:
    universe.trajectory._transformations = []  # noqa: SLF001 - add_transformations takes none away
    if original is not None:
        universe.trajectory.ts = original
    pool.give(recipe, universe)
