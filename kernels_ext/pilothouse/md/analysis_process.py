"""The node process of an analysis: cuts the frames and sends the parts; workers compute, combine and write."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

from pilothouse.errors import Conflict, PilothouseError
from pilothouse.md.driving import RESULT, TASK
from pilothouse.md.gathering import Progress, as_done, cut
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
    # Written by the user's own process into a folder of mode 0700. The task in it stays packed: MDAnalysis is
    # the workers' business.
    given = pickle.loads((folder / TASK).read_bytes())  # noqa: S301
    parameters: dict[str, Any] = given["parameters"]
    parts = cut(given["frames"], given["parts"])
    began = time.monotonic()
    stopping = channel.stopping.is_set
    progress = Progress(channel, parameters["frames"], "frames")
    with dask_client(channel.config["dask"]) as client:
        task = client.scatter([given["task"]], direct=False, hash=False)[0]
        futures = {client.submit(analyse_part, task, parameters, part, pure=False): len(part) for part in parts}
        for future in as_done(client, list(futures), stopping):
            progress(futures[future])
        wall_s = time.monotonic() - began
        result = str(folder / RESULT)
        last = client.submit(conclude, task, parameters, parts, list(futures), wall_s, result, pure=False)
        for _ in as_done(client, [last], stopping):
            pass


def analyse_part(packed: bytes, parameters: dict[str, Any], part: Any) -> Any:
    """On a worker: one part of the analysis, see :func:`pilothouse.md.backend.compute`."""
    from pilothouse.md.backend import analyse_part

    return analyse_part(packed, parameters, part)


def conclude(packed: bytes, parameters: dict[str, Any], parts: Any, results: Any, wall_s: float, path: str) -> None:
    """On a worker: combine the parts and write the dataset, see :func:`pilothouse.md.backend.conclude`."""
    from pilothouse.md.backend import conclude

    conclude(packed, parameters, parts, results, wall_s, path)
