"""What else can run a pilot's executables: RADICAL-Pilot, where the user has an environment with it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from pilothouse.errors import InvalidInput
from pilothouse.runs.cores import Capacity, Need
from pilothouse.tasks.specification import Options

#: Names the folder of the environment that has RADICAL-Pilot.
VARIABLE = "PILOTHOUSE_RADICAL"
#: Names the resource, in RADICAL-Pilot's words, that a node of a pilot is; and what it is when nothing is said.
RESOURCE, USUAL = "PILOTHOUSE_RADICAL_RESOURCE", "local.localhost"
_MAKE = (
    "make an environment for it (python -m venv FOLDER; FOLDER/bin/pip install radical.pilot) and set "
    f"{VARIABLE}=FOLDER"
)


def radical_settings(options: Options, kinds: Iterable[Capacity]) -> dict[str, str]:
    """The folder of RADICAL-Pilot's ``environment`` and the ``resource``, for tasks with these options.

    Parameters
    ----------
    kinds
        The pilot's kinds of nodes.

    Raises
    ------
    InvalidInput
        There is none, or RADICAL-Pilot on one node can't do what an option asks for.
    """
    ranks = options.ranks or 1
    if options.gpus and ranks > 1:
        raise InvalidInput(
            f'gpus={options.gpus}: RADICAL-Pilot gives GPUs to ranks, not to the node; with through="radical" take '
            "ranks=1, or no GPUs",
            field="gpus",
        )
    if options.launcher:
        raise InvalidInput(
            f'launcher={options.launcher!r}: with through="radical", RADICAL-Pilot starts MPI programs its own way',
            field="launcher",
        )
    if not any(Need(options.cores, options.gpus, ranks).fits(kind) for kind in kinds):
        field = "gpus" if options.gpus else "ranks"
        raise InvalidInput(
            f"{field}={getattr(options, field)}: each RADICAL-Pilot has one node of the pilot, and none has "
            f"{options.cores * ranks} cores and {options.gpus} GPUs",
            field=field,
        )
    given = os.environ.get(VARIABLE, "")
    if not given:
        raise InvalidInput(f'through="radical": ${VARIABLE} is not set; {_MAKE}', field="through")
    folder = Path(given).expanduser().absolute()
    if not all((folder / "bin" / name).exists() for name in ("python", "radical-pilot-agent_0")):
        raise InvalidInput(
            f'through="radical": {VARIABLE}={given} is no environment with RADICAL-Pilot; {_MAKE}', field="through"
        )
    resource = os.environ.get(RESOURCE, "") or USUAL
    if not re.fullmatch(r"\w[\w-]*\.\w[\w.-]*", resource):
        raise InvalidInput(
            f'through="radical": {RESOURCE}={resource} is no resource of RADICAL-Pilot: it is a site and a name, such '
            f"as {USUAL}",
            field="through",
        )
    return {"environment": str(folder), "resource": resource}
