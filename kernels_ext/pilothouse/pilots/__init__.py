"""Pilots: allocations that belong to the user, and what asks for them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pilothouse.registry import questions

if TYPE_CHECKING:
    from pilothouse.pilots.attached import attach_dask as attach_dask
    from pilothouse.pilots.handle import Pilot as Pilot
    from pilothouse.pilots.previewing import preview as preview
    from pilothouse.pilots.previewing import script as script
    from pilothouse.pilots.queues.protocols import JobStatus
    from pilothouse.pilots.sites.site import Site as Site
    from pilothouse.pilots.submission import attach as attach
    from pilothouse.pilots.submission import default_pilot as default_pilot
    from pilothouse.pilots.submission import pilot_for as pilot_for
    from pilothouse.pilots.submission import submit as submit
    from pilothouse.pilots.supervisor.orphans import sweep as sweep
    from pilothouse.registry.records import PilotRecord

__all__ = [
    "Pilot",
    "Site",
    "attach",
    "attach_dask",
    "default_pilot",
    "preview",
    "script",
    "submit",
    "sweep",
]

_WHERE = {
    "Pilot": "pilots.handle",
    "Site": "pilots.sites.site",
    "attach": "pilots.submission",
    "attach_dask": "pilots.attached",
    "default_pilot": "pilots.submission",
    "pilot_for": "pilots.submission",
    "preview": "pilots.previewing",
    "script": "pilots.previewing",
    "submit": "pilots.submission",
    "sweep": "pilots.supervisor.orphans",
}


def _known_statuses(record: PilotRecord) -> Mapping[str, JobStatus] | None:
    from pilothouse.pilots.queues.statuses import known_statuses

    return known_statuses(record)


questions.known_statuses = _known_statuses


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pilothouse.pilots' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pilothouse.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
