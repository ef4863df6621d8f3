"""The node process of an analysis: the pilot's Dask client, which cuts, sends, combines and writes."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

from pilothouse.errors import Conflict, PilothouseError
from pilothouse.md.driving import RESULT, TASK
from pilothouse.pilots.child import Channel, dask_client


def main(channel: Channel) -> None:
    """Run the analysis in the run's folder; sends progress, then ``result`` or ``problem``."""
    folder = Path(channel.config["folder"])
    try:
        _run(channel, folder)
    except Conflict:
        return  # stopped
    except PilothouseError as error:
        channel.send({"problem": error.to_dict()})
        return
    channel.send({"result": True})


def _run(channel: Channel, folder: Path) -> None:
    from pilothouse.md.backend import PilotBackend, count_parts
    from pilothouse.md.recipe import unpack
    from pilothouse.md.results import describe_files, provenance, to_dataset, write

    # Written by the user's own process into a folder of mode 0700.
    given = pickle.loads((folder / TASK).read_bytes())  # noqa: S301
    parameters: dict[str, Any] = given["parameters"]
    began = time.monotonic()
    with unpack(given["task"]) as analysis, dask_client(channel.config["dask"]) as client:
        frames = parameters["frames"]
        n_parts = parameters["n_parts"] or count_parts(frames, analysis._trajectory.n_atoms)
        progress = _Progress(channel, frames)
        progress(0)
        backend = PilotBackend(client, tick=progress, stopping=channel.stopping.is_set)
        analysis.run(
            start=parameters["start"], stop=parameters["stop"], step=parameters["step"],
            backend=backend, unsupported_backend=True, n_parts=min(n_parts, frames),
        )  # fmt: skip
        recipes = given["task"].recipes
        attrs = provenance(
            **{key: value for key, value in parameters.items() if value is not None},
            parts=min(n_parts, frames),
            wall_s=time.monotonic() - began,
            cpu_s=backend.cpu_s,
            files=describe_files(recipes),
            notes=[note for recipe in recipes for note in recipe.notes],
        )
        write(to_dataset(analysis, attrs), folder / RESULT)


class _Progress:
    """Counts frames and says so, at most ten times a second and at the end."""

    def __init__(self, channel: Channel, total: int) -> None:
        self.channel, self.total = channel, total
        self.done = 0
        self.said = float("-inf")

    def __call__(self, frames: int) -> None:
        self.done += frames
        now = time.monotonic()
        if now - self.said >= 0.1 or self.done == self.total:
            self.said = now
            self.channel.send({"done": self.done, "total": self.total, "unit": "frames"})
