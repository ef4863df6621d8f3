"""Pilothouse: pilots, streams, molecular-dynamics analyses, data by reference and a training market.

``import pilothouse as ph`` costs next to nothing: everything below is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pilothouse.room import Room

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from pilothouse import data, market, md, streams
    from pilothouse.pilots import Pilot, Run, attach, attach_dask, preview, runs, script, sites, submit, sweep
    from pilothouse.registry.listing import Handles

__all__ = [
    "Pilot", "Run", "attach", "attach_dask", "data", "market", "md", "pilots", "preview", "runs", "script", "sites",
    "streams", "submit", "sweep",
]  # fmt: skip

_MODULES = {"data", "errors", "market", "md", "streams"}
_FROM_PILOTS = {"Pilot", "Run", "attach", "attach_dask", "preview", "runs", "script", "sites", "submit", "sweep"}


def _pilots() -> Handles[Pilot]:
    """The user's pilots: see :func:`pilothouse.pilots.submission.pilots`."""
    from pilothouse.pilots.submission import pilots

    return pilots()


pilots = Room("pilothouse.pilots", _pilots)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"pilothouse.{name}")
    if name in _FROM_PILOTS:
        return getattr(importlib.import_module("pilothouse.pilots"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("pilothouse")
    raise AttributeError(f"module 'pilothouse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__", "errors"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics: ``%load_ext pilothouse``."""
    from pilothouse.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away again: ``%unload_ext pilothouse``."""
    from pilothouse.magics import unload

    unload(shell)
