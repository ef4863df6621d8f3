"""The kind of run ``tasks``: who drives it, and what it leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pilothouse.runs.protocols import RunContext
from pilothouse.tasks.driver import TaskDriver
from pilothouse.tasks.places import read_specification


class TasksDriver:
    """A run of the kind ``tasks``: one executable, or thousands, on the pilot's nodes or through RADICAL-Pilot."""

    resumable = True

    async def run(self, context: RunContext) -> None:
        """Drive the run to its end."""
        specification = await asyncio.to_thread(read_specification, context.folder)
        driver = TaskDriver()
        if specification.get("through") == "radical":
            from pilothouse.tasks.radical.driver import RadicalDriver  # rarely asked for

            driver = RadicalDriver()
        await driver.drive(context, specification)

    @staticmethod
    def load_result(folder: Path) -> Any:
        """The files that a task left, by name; the table of many tasks: see :meth:`Task.result`."""
        from pilothouse.tasks.table import outputs, table  # xarray, which the supervisor does without

        return table(folder) if read_specification(folder)["many"] else outputs(folder, 0)
