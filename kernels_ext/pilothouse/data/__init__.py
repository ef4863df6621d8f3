"""Data by reference: one copy into a node's memory, no copy out of it."""

from __future__ import annotations

from pilothouse.data.refs import Ref, put
from pilothouse.data.store import report, sweep

__all__ = ["Ref", "put", "report", "sweep"]


def __dir__() -> list[str]:
    return list(__all__)
