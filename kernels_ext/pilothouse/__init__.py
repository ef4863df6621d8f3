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
    from pilothouse.engines.listing import Engines
    from pilothouse.pilots import Pilot, Site, attach, attach_dask, preview, script, submit, sweep
    from pilothouse.pilots.queues.discovery import sites
    from pilothouse.registry.listing import Handles
    from pilothouse.runs.handle import Run

__all__ = [
    "Pilot", "Run", "Site", "attach", "attach_dask", "data", "engines", "market", "md", "pilots", "preview", "runs",
    "script", "sites", "streams", "submit", "sweep",
]  # fmt: skip

_MODULES = {"data", "errors", "market", "md", "streams"}
_FROM_PILOTS = {"Pilot", "Site", "attach", "attach_dask", "preview", "script", "submit", "sweep"}
_ELSEWHERE = {"Run": "runs.handle", "sites": "pilots.queues.discovery"}


def _pilots() -> Handles[Pilot]:
    """The user's pilots, the latest first; records that can't be read are in ``.unreadable``."""
    from pilothouse.pilots.submission import pilots

    return pilots()


def _runs() -> Handles[Run]:
    """The user's runs, the latest first, ended ones too; records that can't be read are in ``.unreadable``."""
    from pilothouse.runs.handle import runs

    return runs()


def _engines() -> Engines:
    """The engines that are installed, by name: what each needs, and whether that is on this host."""
    from pilothouse.engines.listing import engines

    return engines()


engines = Room("pilothouse.engines", _engines)
pilots = Room("pilothouse.pilots", _pilots)
runs = Room("pilothouse.runs", _runs)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"pilothouse.{name}")
    if name in _FROM_PILOTS:
        return getattr(importlib.import_module("pilothouse.pilots"), name)
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"pilothouse.{_ELSEWHERE[name]}"), name)
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
