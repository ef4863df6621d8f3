"""The kind of run ``mpi``: who drives it, and what it leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pilothouse.errors import Failed
from pilothouse.runs.protocols import RunContext
from pilothouse.tasks.driver import TaskDriver
from pilothouse.tasks.places import read_specification
from pilothouse.tasks.ranks import ends


class _RanksDriver(TaskDriver):
    launcher = "pilothouse.tasks.ranks.launcher"


class MPIDriver:
    """A run of the kind ``mpi``: one Python function on MPI ranks over the pilot's nodes."""

    resumable = True

    async def run(self, context: RunContext) -> None:
        """Drive the run to its end."""
        specification = await asyncio.to_thread(read_specification, context.folder)
        try:
            await _RanksDriver().drive(context, specification)
        except Failed:
            if said := await asyncio.to_thread(ends.first, context.folder):
                name, ranks = specification["tasks"][0]["argv"][0], specification["ranks"]
                text = f"{name}: rank {said['rank']} of {ranks}: {said['text']}"
                raise Failed("\n".join(filter(None, [text, said["traceback"]]))) from None
            raise

    @staticmethod
    def load_result(folder: Path) -> list[Any]:
        """What the function returned on each rank."""
        from pilothouse.tasks.ranks.packed import load  # cloudpickle, which the supervisor does without

        return [load(ends.result(folder, rank)) for rank in range(read_specification(folder)["ranks"])]
