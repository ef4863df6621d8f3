"""Data by reference: one copy into a node's memory, no copy out of it; and the files that tasks leave."""

from __future__ import annotations

from pilothouse.data.refs import Ref, put
from pilothouse.data.store import report, sweep
from pilothouse.tasks.file_ref import FileRef

__all__ = ["FileRef", "Ref", "put", "report", "sweep"]


def __dir__() -> list[str]:
    return list(__all__)
