"""What cells add to runs that are services: an address, and members."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.engines.shown import ShownService
    from pilothouse.runs.handle import Run

#: Seconds between two looks at a service: its members tell their figures every two.
LOOK_S = 1.0


def service_of(run: Run) -> ShownService | None:
    """What is shown of the service that `run` is; None where it is something else."""
    from pilothouse.engines.service import Service
    from pilothouse.engines.shown import shown

    return shown(run) if isinstance(run, Service) else None


class Looks:
    """Looks at the service that a run is, now and then."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seen: dict[str, Any] | None = None
        self._next = 0.0

    def latest(self) -> dict[str, Any] | None:
        """As JSON what was seen within the last :data:`LOOK_S` seconds; None for what is no service."""
        now = time.monotonic()
        if now >= self._next:
            found = service_of(self._run)
            self._seen = None if found is None else found.model_dump(mode="json")
            self._next = float("inf") if found is None else now + LOOK_S
        return self._seen
