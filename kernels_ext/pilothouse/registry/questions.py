"""What the registry asks of rooms above it; the answers are handed in when the package is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilothouse.pilots.queues.protocols import JobStatus
    from pilothouse.registry.records import PilotRecord

    Ask = Callable[[PilotRecord], Mapping[str, JobStatus] | None]


def _nobody(_: PilotRecord) -> None:
    """Nothing can be said."""


#: What the batch system of a pilot says of the user's jobs there; None when nothing can be said now.
known_statuses: Ask = _nobody
