"""Engines: frameworks that run on a pilot as services. The public face: ``pilothouse.engines``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.engines.fetching import fetch
    from pilothouse.engines.listing import engines

__all__ = ["engines", "fetch"]

_MODULES = {"engines": "listing", "fetch": "fetching"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"pilothouse.engines.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'pilothouse.engines' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
