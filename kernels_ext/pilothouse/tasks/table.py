"""What has become of a run's tasks, for its user: a table of all, the files of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.tasks.ends import Ends
from pilothouse.tasks.places import Places, found, is_pattern, plain, read_specification

if TYPE_CHECKING:
    import xarray

#: The exit code of a task that has none.
NO_CODE = -1000


def places(folder: Path, specification: dict[str, Any]) -> Places:
    """Where the files of the run in `folder` lie."""
    return Places(folder, Path(specification["work"]), specification["many"])


def outputs(folder: Path, task: int) -> dict[str, Path]:
    """The files that a task leaves, by name; a pattern stands for what matches it by now."""
    specification = read_specification(folder)
    working = places(folder, specification).working(task)
    files: dict[str, Path] = {}
    for name in specification["tasks"][task]["outputs"]:
        files |= found(working, name) if is_pattern(name) else {plain(name): working / plain(name)}
    return files


def table(folder: Path) -> xarray.Dataset:
    """The run's tasks: see :attr:`Task.tasks`."""
    import shlex

    import numpy as np
    import xarray as xr

    specification = read_specification(folder)
    tasks = specification["tasks"]
    ends = Ends(folder).read()
    lines = [ends.get(number, {}) for number in range(len(tasks))]
    state = [("failed" if line["error"] else "finished") if line else "waiting" for line in lines]
    codes = [NO_CODE if line.get("code") is None else line["code"] for line in lines]
    data: dict[str, Any] = {
        "state": ("task", state),
        "exit_code": (
            "task", np.array(codes, dtype="int64"),
            {"long_name": "exit code; negative: the signal that ended it", "_FillValue": NO_CODE},
        ),
        "seconds": ("task", np.array([line.get("seconds", np.nan) for line in lines], dtype=float), {"units": "s"}),
        "node": ("task", np.array([line.get("node", "") for line in lines], dtype=str)),
        "attempts": ("task", np.array([line.get("attempts", 0) for line in lines], dtype="int64")),
        "error": ("task", np.array([line.get("error", "") for line in lines], dtype=str)),
        "command": ("task", np.array([shlex.join(task["argv"]) for task in tasks], dtype=str)),
    }  # fmt: skip
    coords: dict[str, Any] = {"task": np.arange(len(tasks))}
    for name in tasks[0].get("parameters") or {}:
        values = [task["parameters"].get(name) for task in tasks]
        if name not in data and name != "task" and all(isinstance(value, (int, float, str)) for value in values):
            coords[name] = ("task", np.array(values))
    return xr.Dataset(data, coords=coords, attrs={"run": folder.name})
