"""A node process that starts ranks of a Python function: see :mod:`pilothouse.tasks.launcher`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from pilothouse.runs.channel import Channel
from pilothouse.tasks import mpi, process_tree
from pilothouse.tasks.launcher import Launcher
from pilothouse.tasks.starting import Starter


class RankStarter(Starter):
    """The ranks are this Python's: so is their launcher, where its environment has one and nobody says otherwise."""

    def _argv(self, task: dict[str, Any]) -> list[str]:  # noqa: ARG002 - its own argv is the function's name
        # Not in the working folder, where a file of the user's may have the name of a module.
        program = [sys.executable, "-P", "-m", "pilothouse.tasks.ranks.rank"]
        return [*program, str(self._places.folder), str(self._common["ranks"])]

    def _launcher(self) -> list[str]:
        chosen = self._common["launcher"]
        if not chosen and not self._environment.get("PILOTHOUSE_MPIEXEC"):
            beside = str(Path(sys.executable).parent)
            chosen = [path for name in mpi.KNOWN if (path := shutil.which(name, path=beside))][:1]
        return mpi.launcher(chosen or (), self._environment)


def main(channel: Channel) -> None:
    """Be the launcher of one run on this node."""
    process_tree.adopt()
    Launcher(channel, RankStarter).serve()
