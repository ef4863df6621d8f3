"""Streaming Mini-Apps: a source, a broker and a processor, on a pilot, watched live.

The names below are imported when they are first used: the node processes of a stream pass through here and should
start in a moment.

>>> from pilothouse import streams
>>> streams.sources()["kmeans-random"]
'Blocks of points around random centres that stay'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pilothouse.room import Room
from pilothouse.streams import catalogue

if TYPE_CHECKING:
    from pilothouse.streams.description import StreamDescription
    from pilothouse.streams.launch import run

__all__ = ["StreamDescription", "brokers", "processors", "run", "sources"]

_WHERE = {"StreamDescription": "description", "run": "launch"}

brokers = Room("pilothouse.streams.brokers", catalogue.brokers)
processors = Room("pilothouse.streams.processors", catalogue.processors)
sources = Room("pilothouse.streams.sources", catalogue.sources)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"pilothouse.streams.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'pilothouse.streams' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
