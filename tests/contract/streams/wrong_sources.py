"""Sources that are wrong in one way each: the contract has to notice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.streams.messages import Schema
from pilothouse.streams.sources.kmeans_random import KMeansRandom


class Sound(KMeansRandom):
    """Nothing is wrong with it."""


class Drifting(KMeansRandom):
    """Goes through one stream of random numbers: a message depends on those before."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.rng = np.random.default_rng(self.seed)

    def payload(self, seq: int) -> npt.NDArray[np.float32]:
        return self.rng.standard_normal((self.points, self.dim), dtype=np.float32)


class Local(KMeansRandom):
    """Depends on the process: the hash of a text is another one in each."""

    def payload(self, seq: int) -> npt.NDArray[np.float32]:
        return super().payload(seq) + np.float32(hash("salt") % 1000)


class Transposed(KMeansRandom):
    """Its arrays lie the other way round in memory."""

    def payload(self, seq: int) -> npt.NDArray[np.float32]:
        return np.asfortranarray(super().payload(seq))


class Reusing(KMeansRandom):
    """Makes each payload in the same memory."""

    def payload(self, seq: int) -> npt.NDArray[np.float32]:
        if not hasattr(self, "buffer"):
            self.buffer = np.empty((self.points, self.dim), np.float32)
        self.buffer[...] = super().payload(seq)
        return self.buffer


class Careless(KMeansRandom):
    """Takes any number of points."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__({**parameters, "points": max(int(parameters.get("points", 1)), 1)})


class Steady(KMeansRandom):
    """Sends the same again and again."""

    def payload(self, seq: int) -> npt.NDArray[np.float32]:
        return super().payload(0)


class Mislabelled(KMeansRandom):
    """Says float64 and sends float32."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        self.schema = Schema("<f8", self.schema.shape)
