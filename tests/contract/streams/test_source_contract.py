"""Every source of ours keeps the contract of sources."""

from __future__ import annotations

from typing import ClassVar

from pilothouse.testing.sources import SourceContract


class TestKMeansRandom(SourceContract):
    source = "pilothouse.streams.sources.kmeans_random:KMeansRandom"
    parameters: ClassVar = {"clusters": 3, "points": 50, "dim": 2, "seed": 5, "decay": 0.9}
    refused: ClassVar = [
        *({name: value} for name in ("clusters", "points", "dim") for value in (0, -1, 1.5, "three", None)),
        *({"seed": value} for value in (-1, 2**63, None)),
    ]
