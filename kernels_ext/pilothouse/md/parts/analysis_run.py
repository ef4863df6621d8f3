"""An analysis of MDAnalysis on a pilot: the driver, which lives in the supervisor and stays light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilothouse.md.parts.driving import drive, load_result
from pilothouse.runs.protocols import RunContext


class AnalysisDriver:
    """The driver of runs of kind ``analysis``; the work is done by :mod:`pilothouse.md.analyse.process`."""

    resumable = True

    async def run(self, context: RunContext) -> None:
        """Drive the run to its end, see :func:`pilothouse.md.parts.driving.drive`."""
        await drive(context, "pilothouse.md.analyse.process", "analysis")

    @staticmethod
    def load_result(folder: Path) -> Any:
        """The run's ``xarray.Dataset``, see :func:`pilothouse.md.parts.driving.load_result`."""
        return load_result(folder)
