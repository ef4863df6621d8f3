"""What the drivers of both kinds of run have in common: one node process that is the pilot's Dask client.

Imported by the supervisor, so nothing heavy may be imported here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

from pilothouse.errors import Failed, PilothouseError
from pilothouse.runs.protocols import NodeProcess, RunContext

#: Names of the files in a run's folder.
TASK = "task.pkl"
RESULT = "result.zarr"
STOPPED = "stopped.json"
#: The folder in it for the parts that are done, each a file, see :mod:`pilothouse.md.parts.parts`.
PARTS = "parts"


async def drive(context: RunContext, module: str) -> None:
    """Have `module` work in a process on a node until it is done or the run is stopped.

    The process sends ``{"done", "total", "unit"}``, and at the end ``{"result": True}`` or an error; first, where it
    goes on after another, ``{"found", "parts"}``: how many of its parts were there.

    Raises
    ------
    PilothouseError
        What the process found wrong; :class:`Failed` when it ended without saying.
    """
    config = {"folder": str(context.folder), "dask": context.dask}
    process = await context.spawn(module, config, label=module.rpartition(".")[2].removesuffix("_process"))
    stop = asyncio.create_task(_stop(context, process))
    last: dict[str, Any] = {}
    is_done = False
    try:
        async for message in process.messages():
            if "total" in message:
                last = message
                context.progress(message["done"], message["total"], message["unit"])
                context.telemetry.append(time.time(), {"consumed": message["done"]})
            elif "found" in message:
                context.event("parts found", found=message["found"], parts=message["parts"])
            elif "result" in message:
                is_done = True
            elif "problem" in message:
                raise PilothouseError.from_dict(message["problem"])
            elif "error" in message:
                raise Failed(str(message["error"]))
        code = await process.wait()
    finally:
        stop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stop
        with contextlib.suppress(ProcessLookupError, OSError):
            await process.stop()
        if not context.handing_over:  # nobody will go on
            await asyncio.to_thread(shutil.rmtree, context.folder / PARTS, ignore_errors=True)
    if is_done:
        return
    if context.stopping.is_set():
        text = json.dumps({"done": last.get("done", 0), "total": last.get("total", 0), "unit": last.get("unit", "")})
        (context.folder / STOPPED).write_text(text)
        return
    raise Failed(f"the process of the run ended early (exit code {code}); its log says why")


async def _stop(context: RunContext, process: NodeProcess) -> None:
    await context.stopping.wait()
    await process.stop(grace=1.0)  # it has nothing to save, and may be importing still


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
