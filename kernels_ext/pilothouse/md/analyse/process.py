"""The node process of an analysis: cuts the frames and sends the parts; workers compute, combine and write.

Each part's result is a file once it is done. After the supervisor's death only the others are computed.
"""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

from pilothouse.errors import Conflict, PilothouseError
from pilothouse.md.parts.driving import RESULT, TASK
from pilothouse.md.parts.gathering import Progress, as_done, cut
from pilothouse.md.parts.parts import done, keep, load
from pilothouse.runs.channel import DONE, Channel, dask_client


def main(channel: Channel) -> None:
    """Run the analysis in the run's folder; sends progress, a ``problem`` if there is one, and that it is done."""
    folder = Path(channel.config["folder"])
    try:
        if not (folder / RESULT).exists():  # else the supervisor died between the result and the end
            _run(channel, folder)
    except Conflict:
        return  # stopped
    except PilothouseError as error:
        channel.send({"problem": error.to_dict()})
    channel.send(DONE)


def _run(channel: Channel, folder: Path) -> None:
    # Written by the user's own process into a folder of mode 0700. The task in it stays packed: MDAnalysis is
    # the workers' business.
    given = pickle.loads((folder / TASK).read_bytes())  # noqa: S301
    parameters: dict[str, Any] = given["parameters"]
    parts = cut(given["frames"], given["parts"])
    began = time.monotonic()
    stopping = channel.stopping.is_set
    found = done(folder)
    if found:
        channel.send({"found": len(found), "parts": len(parts)})
    progress = Progress(channel, parameters["frames"], "frames", sum(len(parts[number]) for number in found))
    with dask_client(channel.config["dask"]) as client:
        task = client.scatter([given["task"]], direct=False, hash=False)[0]
        futures = {
            number: client.submit(analyse_part, task, parameters, part, str(folder), number, pure=False)
            for number, part in enumerate(parts)
            if number not in found
        }
        frames = {future: len(parts[number]) for number, future in futures.items()}
        for future in as_done(client, list(frames), stopping):
            progress(frames[future])
        wall_s = time.monotonic() - began
        results = [futures.get(number) for number in range(len(parts))]
        last = client.submit(conclude, task, parameters, parts, results, wall_s, str(folder), pure=False)
        for _ in as_done(client, [last], stopping):
            pass


def analyse_part(packed: bytes, parameters: dict[str, Any], part: Any, folder: str, number: int) -> Any:
    """On a worker: one part, see :func:`pilothouse.md.analyse.backend.analyse_part`; its file is kept."""
    from pilothouse.md.analyse.backend import analyse_part

    result = analyse_part(packed, parameters, part)
    keep(folder, number, result)
    return result


def conclude(packed: bytes, parameters: dict[str, Any], parts: Any, results: Any, wall_s: float, folder: str) -> None:
    """On a worker: combine the parts and write the dataset, see :func:`pilothouse.md.analyse.backend.conclude`.

    Parts without a result here were computed before: theirs is in the `folder`.
    """
    from pilothouse.md.analyse.backend import conclude

    whole = [load(folder, number) if result is None else result for number, result in enumerate(results)]
    conclude(packed, parameters, parts, whole, wall_s, str(Path(folder) / RESULT))
