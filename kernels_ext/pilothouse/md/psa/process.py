"""The node process of a path similarity: loads each path once onto the workers, compares blocks of paths there.

Each block is a file once it is done. After the supervisor's death only the others are compared.
"""

from __future__ import annotations

import dataclasses
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.errors import Conflict, InvalidInput, PilothouseError
from pilothouse.md.parts.driving import RESULT, TASK
from pilothouse.md.parts.gathering import Progress, as_done
from pilothouse.md.parts.parts import done, keep, load
from pilothouse.md.parts.threads import single_threaded
from pilothouse.md.psa.call import Source, as_path
from pilothouse.md.psa.filtering import Array
from pilothouse.md.psa.kernel import Similarity, compare, compare_between
from pilothouse.md.psa.superposing import superpose
from pilothouse.runs.channel import DONE, Channel, dask_client

#: The most bytes of paths that one block task holds.
_BLOCK_BYTES = 256 * 2**20


def main(channel: Channel) -> None:
    """Compare the paths in the run's folder; sends progress, a ``problem`` if there is one, and that it is done."""
    folder = Path(channel.config["folder"])
    try:
        if not (folder / RESULT).exists():  # else the supervisor died between the result and the end
            _run(channel, folder)
    except Conflict:
        return  # stopped
    except PilothouseError as error:
        channel.send({"problem": error.to_dict()})
    channel.send(DONE)


def load_path(packed: bytes, folder: str, which: str, reference: Array | None = None) -> Array:
    """One path, on a worker: shape (frames, 3 x atoms), Å, float32 from trajectories, as given from arrays.

    Its frames are put on the `reference`, shape (3 x atoms,), where there is one.
    """
    path = _read(pickle.loads(packed), folder, which)  # noqa: S301 - the user's own
    return path if reference is None else superpose(path, reference)


def load_reference(packed: bytes, folder: str) -> Array:
    """What all frames are put on, on a worker: the first frame of a source, shape (3 x atoms,), Å."""
    source: Source = pickle.loads(packed)  # noqa: S301 - the user's own
    first, _, step = source.frames
    only = dataclasses.replace(source, frames=(first, first + step, step))
    reference: Array = _read(only, folder, "align")[0]
    return reference


def _read(source: Source, folder: str, which: str) -> Array:
    frames = range(*source.frames)
    if source.file:
        return as_path(np.load(Path(folder, source.file), allow_pickle=False)[list(frames)], which)
    from pilothouse.md.universes.recipe import unpack

    with unpack(source.task) as atoms:
        positions = np.empty((len(frames), len(atoms), 3), dtype=np.float32)
        try:
            for place, frame in enumerate(frames):
                atoms.universe.trajectory[frame]
                positions[place] = atoms.positions
        except (OSError, EOFError) as error:
            raise InvalidInput(f"{which}: frame {frame} can't be read: {error}", field="trajectories") from None
    return as_path(positions, which)


def compare_block(left: Sequence[Array], right: Sequence[Array] | None, with_frechet: bool) -> tuple[Similarity, float]:
    """One block of the matrix of pairs, on a worker, and its CPU seconds. No `right`: a block on the diagonal."""
    began = time.thread_time()
    with single_threaded():
        if right is None:
            found = compare(left, with_frechet=with_frechet)
        else:
            found = compare_between(left, right, with_frechet=with_frechet)
    return found, time.thread_time() - began


def compare_and_keep(folder: str, number: int, *block: Any) -> tuple[Similarity, float]:
    """:func:`compare_block`, whose result is kept in the run's `folder` under its `number`."""
    result = compare_block(*block)
    keep(folder, number, result)
    return result


def blocks(n_paths: int, bytes_per_path: int) -> list[range]:
    """Neighbouring paths to take together: by the input alone, small enough for two blocks to fit a task."""
    most = max(1, _BLOCK_BYTES // (2 * bytes_per_path))
    size = max(1, min(most, 16, -(-n_paths // 4)))
    return [range(start, min(start + size, n_paths)) for start in range(0, n_paths, size)]


def _run(channel: Channel, folder: Path) -> None:
    # Written by the user's own process into a folder of mode 0700.
    given = pickle.loads((folder / TASK).read_bytes())  # noqa: S301
    parameters, sources = given["parameters"], given["sources"]
    put_on: int | bytes | None = given.get("reference")  # one of the sources, or one of its own
    labels, n = parameters["labels"], len(sources)
    with_frechet = parameters["metric"] == "frechet"
    found = Similarity.zeros(n, n, with_frechet=with_frechet)
    cpu_s, began = 0.0, time.monotonic()
    stopping = channel.stopping.is_set
    groups = blocks(n, 12 * parameters["atoms"] * max(parameters["frames"]))
    squares = [(rows, columns) for at, rows in enumerate(groups) for columns in groups[at:]]
    before = done(folder)
    if before:
        channel.send({"found": len(before), "parts": len(squares)})
    for number in before:
        block, seconds = load(str(folder), number)
        found.put(*squares[number], block)
        cpu_s += seconds
    progress = Progress(channel, n * (n - 1) // 2, "pairs", sum(_pairs(*squares[number]) for number in before))
    with dask_client(channel.config["dask"]) as client:
        names = [f"trajectories[{i}] ({label})" for i, label in enumerate(labels)]
        missing = [number for number in range(len(squares)) if number not in before]
        wanted = sorted({i for number in missing for side in squares[number] for i in side})
        reference = None
        if put_on is not None:
            whose = sources[put_on] if isinstance(put_on, int) else put_on
            reference = client.submit(load_reference, whose, str(folder), pure=False)
        paths = {i: client.submit(load_path, sources[i], str(folder), names[i], reference, pure=False) for i in wanted}
        tasks = {}
        for number in missing:
            rows, columns = squares[number]
            others = None if columns is rows else [paths[j] for j in columns]
            mine = [paths[i] for i in rows]
            task = client.submit(compare_and_keep, str(folder), number, mine, others, with_frechet, pure=False)
            tasks[task] = (rows, columns)
        for task in as_done(client, list(tasks), stopping):
            rows, columns = tasks[task]
            block, seconds = task.result()
            found.put(rows, columns, block)
            cpu_s += seconds
            progress(_pairs(rows, columns))
        extra = {"blocks": len(squares), "wall_s": time.monotonic() - began, "cpu_s": cpu_s}
        read = [*sources, put_on] if isinstance(put_on, bytes) else sources
        last = client.submit(write_result, found, parameters, read, extra, str(folder / RESULT), pure=False)
        for _ in as_done(client, [last], stopping):
            pass


def _pairs(rows: range, columns: range) -> int:
    return len(rows) * (len(rows) - 1) // 2 if columns is rows else len(rows) * len(columns)


def write_result(
    found: Similarity, parameters: dict[str, Any], packed: Sequence[bytes], extra: dict[str, Any], path: str
) -> None:
    """Write the dataset, on a worker, which has loaded xarray and zarr before."""
    from pilothouse.md.analyse.results import write

    sources = [pickle.loads(source) for source in packed]  # noqa: S301 - the user's own
    write(to_dataset(found, parameters, sources, extra), Path(path))


def to_dataset(found: Similarity, parameters: dict[str, Any], sources: Sequence[Source], extra: dict[str, Any]) -> Any:
    """The labelled dataset that ``ph.md.psa`` returns."""
    import xarray

    from pilothouse.md.analyse.results import describe_files, plain, provenance

    both = ("trajectory", "trajectory_2")
    first, step = np.asarray(parameters["first_frames"]), parameters["step"]
    marks = {"units": "Å", "long_name": "Hausdorff distance (RMSD without fit)"}
    data = {
        "hausdorff": (both, found.hausdorff, marks),
        "hausdorff_frame_a": (
            both, first[:, None] + step * found.frame_a, {"long_name": "deciding frame of the first trajectory"}
        ),
        "hausdorff_frame_b": (
            both, first[None, :] + step * found.frame_b, {"long_name": "deciding frame of the second trajectory"}
        ),
    }  # fmt: skip
    if found.frechet is not None:
        data["frechet"] = (both, found.frechet, {**marks, "long_name": "discrete Fréchet distance (RMSD without fit)"})
    coords = {
        "trajectory": parameters["labels"],
        "trajectory_2": parameters["labels"],
        "n_frames": ("trajectory", parameters["frames"]),
        "source": ("trajectory", parameters["sources"]),
    }
    recipes = [recipe for source in sources if source.task for recipe in source.task.recipes]
    attrs = provenance(
        analysis="path similarity",
        metric=parameters["metric"],
        select=parameters["select"] or "",
        atoms=parameters["atoms"],
        step=step,
        align=parameters.get("align") or "",
        files=describe_files(recipes),
        notes=[*filter(None, [parameters.get("note")]), *(note for recipe in recipes for note in recipe.notes)],
        **extra,
    )
    return xarray.Dataset(data, coords=coords, attrs={key: plain(value) for key, value in attrs.items()})
