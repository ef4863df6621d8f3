"""What a client needs to know of a batch system without being a supervisor."""

from __future__ import annotations

import time

from pilothouse.errors import PilothouseError
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.queues.protocols import JobStatus
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.records import PilotRecord
from pilothouse.sync import blocking

#: Seconds for which an answer is good enough.
FRESH_S = 2.0
_answers: dict[str, tuple[float, dict[str, JobStatus] | None]] = {}


def known_statuses(record: PilotRecord) -> dict[str, JobStatus] | None:
    """The user's jobs at the pilot's site, :data:`FRESH_S` seconds old at most; None when nothing can be said now."""
    site = Site.model_validate(record.settings)
    at, statuses = _answers.get(site.name, (0.0, None))
    if time.monotonic() - at > FRESH_S:
        try:
            statuses = blocking(queue_for(site).poll())
        except PilothouseError:
            statuses = None
        _answers[site.name] = time.monotonic(), statuses
    return statuses
