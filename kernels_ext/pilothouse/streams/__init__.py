"""Streaming Mini-Apps: a source, a broker and a processor, on a pilot, watched live.

>>> from pilothouse import streams
>>> sorted(streams.sources())
['kmeans-random']
"""

from __future__ import annotations

from pilothouse.streams.catalogue import brokers, processors, sources
from pilothouse.streams.description import StreamDescription
from pilothouse.streams.run import run

__all__ = ["StreamDescription", "brokers", "processors", "run", "sources"]
