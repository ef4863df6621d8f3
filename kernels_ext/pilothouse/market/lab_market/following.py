"""What the market's drivers share: where its files are, and how a process learns that nobody goes on after it."""

from __future__ import annotations

from pathlib import Path

from pilothouse import state
from pilothouse.runs.channel import Channel

#: What a process is told before it is stopped for good. Without it another one goes on with the run.
LEAVE = {"op": "leave"}


def keys_folder() -> Path:
    """The folder (mode 0700) of the user's secret keys, a file ``NAME.nsec`` each."""
    return state.home() / "keys"


def key_file(name: str) -> Path:
    """The file (mode 0600) of the secret key called `name`."""
    return keys_folder() / f"{state.check_name(name, field='key')}.nsec"


def ledgers() -> Path:
    """The folder of the user's ledgers, a file for each job bought and each key that sells."""
    path = state.home() / "market"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def is_told_to_leave(channel: Channel) -> bool:
    """Whether the run's driver said that nobody goes on with the run; asked once the process should stop."""
    while (message := channel.receive(0)) is not None:
        if message == LEAVE:
            return True
    return False
