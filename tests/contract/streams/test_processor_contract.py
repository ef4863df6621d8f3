"""Every processor of ours keeps the contract of processors."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pilothouse.streams.sources.kmeans_random import KMeansRandom
from pilothouse.testing.processors import ProcessorContract


class TestKMeans(ProcessorContract):
    processor = "pilothouse.streams.processors.kmeans:KMeans"
    parameters: ClassVar = {"clusters": 3, "points": 50, "dim": 2, "seed": 5, "decay": 0.9}
    refused: ClassVar = [
        {"clusters": 0},
        {"clusters": None},
        {"decay": 1.5},
        {"decay": -0.1},
        {"decay": None},
        {"seed": -1},
    ]

    def payload(self, seq: int) -> npt.NDArray[Any]:
        return np.array(KMeansRandom(self.parameters).payload(seq))
