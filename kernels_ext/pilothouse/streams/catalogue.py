"""The sources, processors and brokers that there are, by name; their modules are imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from pilothouse.errors import InvalidInput

_KNOWN = {
    "source": {
        "kmeans-random": (
            "pilothouse.streams.sources.kmeans_random:KMeansRandom",
            "Blocks of points around random centres that stay",
        )
    },
    "processor": {
        "kmeans": (
            "pilothouse.streams.processors.kmeans:KMeans",
            "Streaming k-means: decayed mini-batches, the update rule of Spark MLlib",
        )
    },
    "broker": {
        "log": (
            "pilothouse.streams.brokers.log:Log",
            "Embedded log on one node's disk (LMDB): no server, zero-copy reads",
        )
    },
}


def sources() -> dict[str, str]:
    """The sources by name, with a line about each."""
    return _describe("source")


def processors() -> dict[str, str]:
    """The processors by name, with a line about each."""
    return _describe("processor")


def brokers() -> dict[str, str]:
    """The brokers by name, with a line about each."""
    return _describe("broker")


def _describe(kind: str) -> dict[str, str]:
    return {name: title for name, (_, title) in _KNOWN[kind].items()}


def check(kind: str, name: str) -> str:
    """`name` itself, or :class:`InvalidInput` that lists what there is of this kind."""
    if name not in _KNOWN[kind]:
        raise InvalidInput(f"{kind}={name!r} is not known; there is {', '.join(sorted(_KNOWN[kind]))}", field=kind)
    return name


def load(kind: str, name: str) -> Any:
    """The class called `name`."""
    module, _, attribute = _KNOWN[kind][check(kind, name)][0].partition(":")
    return getattr(importlib.import_module(module), attribute)
