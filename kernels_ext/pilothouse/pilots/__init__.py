"""Pilots: allocations that belong to the user, and the runs on them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.pilots.attached import attach_dask as attach_dask
    from pilothouse.pilots.discovery import sites as sites
    from pilothouse.pilots.handle import Pilot as Pilot
    from pilothouse.pilots.orphans import sweep as sweep
    from pilothouse.pilots.previewing import preview as preview
    from pilothouse.pilots.previewing import script as script
    from pilothouse.pilots.run import Run as Run
    from pilothouse.pilots.run import runs as runs
    from pilothouse.pilots.site import Site as Site
    from pilothouse.pilots.submission import attach as attach
    from pilothouse.pilots.submission import default_pilot as default_pilot
    from pilothouse.pilots.submission import pilot_for as pilot_for
    from pilothouse.pilots.submission import submit as submit

__all__ = [
    "Pilot",
    "Run",
    "Site",
    "attach",
    "attach_dask",
    "default_pilot",
    "preview",
    "runs",
    "script",
    "sites",
    "submit",
    "sweep",
]

_WHERE = {
    "Pilot": "handle",
    "Run": "run",
    "Site": "site",
    "attach": "submission",
    "attach_dask": "attached",
    "default_pilot": "submission",
    "pilot_for": "submission",
    "preview": "previewing",
    "runs": "run",
    "script": "previewing",
    "sites": "discovery",
    "submit": "submission",
    "sweep": "orphans",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = globals()[name] = getattr(importlib.import_module(f"pilothouse.pilots.{_WHERE[name]}"), name)
        return value
    raise AttributeError(f"module 'pilothouse.pilots' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
