"""Pilots: allocations that belong to the user, and the runs on them.

The module can be called: ``ph.pilots()`` lists the user's pilots.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.pilots.attached import attach_dask as attach_dask
    from pilothouse.pilots.handle import Pilot as Pilot
    from pilothouse.pilots.previewing import preview as preview
    from pilothouse.pilots.previewing import script as script
    from pilothouse.pilots.queues.discovery import sites as sites
    from pilothouse.pilots.sites.site import Site as Site
    from pilothouse.pilots.submission import attach as attach
    from pilothouse.pilots.submission import default_pilot as default_pilot
    from pilothouse.pilots.submission import pilot_for as pilot_for
    from pilothouse.pilots.submission import submit as submit
    from pilothouse.pilots.supervisor.orphans import sweep as sweep
    from pilothouse.registry.listing import Handles
    from pilothouse.runs.handle import Run as Run
    from pilothouse.runs.handle import runs as runs

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
    "Pilot": "pilots.handle",
    "Run": "runs.handle",
    "Site": "pilots.sites.site",
    "attach": "pilots.submission",
    "attach_dask": "pilots.attached",
    "default_pilot": "pilots.submission",
    "pilot_for": "pilots.submission",
    "preview": "pilots.previewing",
    "runs": "runs.handle",
    "script": "pilots.previewing",
    "sites": "pilots.queues.discovery",
    "submit": "pilots.submission",
    "sweep": "pilots.supervisor.orphans",
}


class _Callable(ModuleType):
    """A module of the same name as the function that lists what it is about."""

    def __call__(self) -> Handles[Pilot]:
        """The user's pilots: see :func:`pilothouse.pilots.submission.pilots`."""
        from pilothouse.pilots.submission import pilots

        return pilots()

    def __getattr__(self, name: str) -> Any:
        if name in _WHERE:
            value = getattr(importlib.import_module(f"pilothouse.{_WHERE[name]}"), name)
            setattr(self, name, value)
            return value
        raise AttributeError(f"module 'pilothouse.pilots' has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return list(__all__)


sys.modules[__name__].__class__ = _Callable
