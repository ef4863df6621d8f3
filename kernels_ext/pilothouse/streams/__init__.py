"""Streaming Mini-Apps: a source, a broker and a processor, on a pilot, watched live.

The names below are imported when they are first used: the node processes of a stream pass through here and should
start in a moment.

>>> from pilothouse import streams
>>> sorted(streams.sources())
['kmeans-random']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Folders with the names of functions are imported first: the import system makes a folder an attribute of its package
# once, and the function takes that place for good (as in `dask.delayed`).
import pilothouse.streams.brokers
import pilothouse.streams.processors
import pilothouse.streams.sources  # noqa: F401
from pilothouse.streams.catalogue import brokers, processors, sources

if TYPE_CHECKING:
    from pilothouse.streams.description import StreamDescription
    from pilothouse.streams.launch import run

__all__ = ["StreamDescription", "brokers", "processors", "run", "sources"]

_WHERE = {"StreamDescription": "description", "run": "launch"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"pilothouse.streams.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'pilothouse.streams' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
