"""The states of pilots, nodes and runs, for whoever reads records, with or without their models."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """States of pilots, nodes and runs, as far as each has them."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"
    LOST = "lost"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return has_ended(self)


def has_ended(state: str) -> bool:
    """Whether nothing more will happen to what has this `state`, which may be of a newer version."""
    return state in (State.FINISHED, State.FAILED, State.LOST)
