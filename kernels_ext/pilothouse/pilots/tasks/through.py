"""What else can run a pilot's executables: RADICAL-Pilot, where the user has an environment with it."""

from __future__ import annotations

import os
from pathlib import Path

from pilothouse.errors import InvalidInput
from pilothouse.pilots.tasks.specification import Options

#: Names the folder of the environment that has RADICAL-Pilot.
VARIABLE = "PILOTHOUSE_RADICAL"
_MAKE = (
    "make an environment for it (python -m venv FOLDER; FOLDER/bin/pip install radical.pilot) and set "
    f"{VARIABLE}=FOLDER"
)


def radical_environment(options: Options, largest: int) -> str:
    """The folder of RADICAL-Pilot's environment, for tasks with these options.

    Parameters
    ----------
    largest
        Cores of the pilot's largest node.

    Raises
    ------
    InvalidInput
        There is none, or RADICAL-Pilot on one node can't do what an option asks for.
    """
    if options.gpus:
        raise InvalidInput(f'gpus={options.gpus}: GPUs are not given out with through="radical"', field="gpus")
    if options.launcher:
        raise InvalidInput(
            f'launcher={options.launcher!r}: with through="radical", RADICAL-Pilot starts MPI programs its own way',
            field="launcher",
        )
    if options.cores * (options.ranks or 1) > largest:
        raise InvalidInput(
            f"ranks={options.ranks}: RADICAL-Pilot gets one node of the pilot, of {largest} cores at most, "
            f"and {options.ranks} ranks of {options.cores} cores are more",
            field="ranks",
        )
    given = os.environ.get(VARIABLE, "")
    if not given:
        raise InvalidInput(f'through="radical": ${VARIABLE} is not set; {_MAKE}', field="through")
    folder = Path(given).expanduser().absolute()
    if not all((folder / "bin" / name).exists() for name in ("python", "radical-pilot-agent_0")):
        raise InvalidInput(
            f'through="radical": {VARIABLE}={given} is no environment with RADICAL-Pilot; {_MAKE}', field="through"
        )
    return str(folder)
