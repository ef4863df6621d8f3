"""Molecular-dynamics analyses on a pilot, as labelled data.

MDAnalysis, SciPy and xarray are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# At once: else their rooms, of the same names, would take their places.
from pilothouse.md.analyse.call import analyse
from pilothouse.md.psa.call import psa

if TYPE_CHECKING:
    from pilothouse.md.analyse.backend import PilotBackend
    from pilothouse.md.pictures import heatmap

__all__ = ["PilotBackend", "analyse", "heatmap", "psa"]

_HOMES = {"PilotBackend": "analyse.backend", "heatmap": "pictures"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"pilothouse.md.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'pilothouse.md' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
