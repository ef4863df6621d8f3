"""Processors that are wrong in one way each: the contract has to notice."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pilothouse.streams.processors.kmeans import KMeans


class Sound(KMeans):
    """Nothing is wrong with it."""


class Forgetful(KMeans):
    """Its state has the centres and not their weights."""

    def state(self) -> bytes:
        if self.weights is None:
            return b""
        kept, self.weights = self.weights, np.ones_like(self.weights)
        said = super().state()
        self.weights = kept
        return said


class Pickling(KMeans):
    """Its state is a pickle."""

    def __init__(self, parameters: Mapping[str, Any], state: bytes = b"") -> None:
        super().__init__(parameters, pickle.loads(state) if state else b"")

    def state(self) -> bytes:
        return pickle.dumps(super().state())


class Keeping(KMeans):
    """Keeps payloads, and learns them when its state is asked for."""

    def __init__(self, parameters: Mapping[str, Any], state: bytes = b"") -> None:
        super().__init__(parameters, state)
        self.kept: list[Any] = []

    def process(self, payload: npt.NDArray[Any]) -> float:
        self.kept.append(payload)
        return 0.0

    def state(self) -> bytes:
        while self.kept:
            super().process(self.kept.pop(0))
        return super().state()


class Shared(KMeans):
    """All its partitions have one model."""

    models: ClassVar[dict[str, Any]] = {}

    def process(self, payload: npt.NDArray[Any]) -> float:
        self.centres, self.weights = self.models.get("centres"), self.models.get("weights")
        figure = super().process(payload)
        self.models |= {"centres": self.centres, "weights": self.weights}
        return figure


class Cold(KMeans):
    """Can process nothing before it is warm."""

    ready = False

    @staticmethod
    def warm() -> None:
        KMeans.warm()
        Cold.ready = True

    def process(self, payload: npt.NDArray[Any]) -> float:
        assert self.ready
        return super().process(payload)


class Trusting(KMeans):
    """Takes a state that was cut short for none."""

    def __init__(self, parameters: Mapping[str, Any], state: bytes = b"") -> None:
        try:
            super().__init__(parameters, state)
        except Exception:  # noqa: BLE001 - what is wrong with it
            super().__init__(parameters)


class Unlabelled(KMeans):
    """Its result is an array, which is no JSON."""

    @staticmethod
    def merge(parameters: Mapping[str, Any], states: Sequence[bytes]) -> dict[str, Any]:
        found = KMeans.merge(parameters, states)
        for each in found.values():
            each["data"] = np.array(each["data"])
        return found
