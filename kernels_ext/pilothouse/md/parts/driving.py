"""What the drivers of both kinds of run have in common: one node process that is the pilot's Dask client.

Imported by the supervisor, so nothing heavy may be imported here.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from pathlib import Path
from typing import Any

from pilothouse.errors import Failed, PilothouseError
from pilothouse.runs.keeping import keep
from pilothouse.runs.protocols import RunContext

#: Seconds that the process has to end when the run is stopped: it has nothing to save, and may be importing still.
GRACE_S = 1.0
#: Names of the files in a run's folder.
TASK = "task.pkl"
RESULT = "result.zarr"
STOPPED = "stopped.json"
#: The folder in it for the parts that are done, each a file, see :mod:`pilothouse.md.parts.parts`.
PARTS = "parts"


async def drive(context: RunContext, module: str, label: str) -> None:
    """Have `module` work in a process, called `label`, on some node until it is done or the run is stopped.

    One whose node goes, or that dies, is followed by another, which goes on from the parts that are done.

    The process sends ``{"done", "total", "unit"}``, and at the end that it is done, or an error; first, where it
    goes on after another, ``{"found", "parts"}``: how many of its parts were there.

    Raises
    ------
    PilothouseError
        What the process found wrong; :class:`Failed` when it reports an error, or died too often.
    """
    config = {"folder": str(context.folder), "dask": context.dask}
    last: dict[str, Any] = {}
    problems: list[PilothouseError] = []

    def heard(message: dict[str, Any]) -> None:
        if "total" in message:
            last.update(message)
            context.progress(message["done"], message["total"], unit := message["unit"])
            before = context.telemetry.last().get(unit, 0)
            context.telemetry.append(time.time(), {unit: max(message["done"], before)})
        elif "found" in message:
            context.event("parts found", found=message["found"], parts=message["parts"])
        elif "problem" in message:
            problems.append(PilothouseError.from_dict(message["problem"]))

    try:
        is_done = await keep(context, module, config, heard, label=label, grace=GRACE_S)
    finally:
        if not context.handing_over:  # nobody will go on
            await asyncio.to_thread(shutil.rmtree, context.folder / PARTS, ignore_errors=True)
    if problems:
        raise problems[0]
    if not is_done:
        text = json.dumps({"done": last.get("done", 0), "total": last.get("total", 0), "unit": last.get("unit", "")})
        (context.folder / STOPPED).write_text(text)


def load_result(folder: Path) -> Any:
    """The dataset in a run's folder.

    Returns
    -------
    xarray.Dataset
        Loaded into memory.

    Raises
    ------
    Failed
        The run was stopped before it had one.
    """
    path = folder / RESULT
    if not path.exists():
        stopped = folder / STOPPED
        if stopped.exists():
            state = json.loads(stopped.read_text())
            how_far = f"after {state['done']:g} of {state['total']:g} {state['unit']}" if state["total"] else "at once"
            raise Failed(
                f"the run {folder.name!r} was stopped {how_far}, before it had a result; launch it again for one"
            )
        raise Failed(f"the run {folder.name!r} has no result")
    import xarray

    with xarray.open_zarr(path, chunks=None, consolidated=False) as dataset:
        return dataset.load()
