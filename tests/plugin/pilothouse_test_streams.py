"""A source for tests, installed as a plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.streams.messages import Schema


class Steps:
    """Payloads of one step each: 0, 1, 2."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.schema = Schema("<f4", (int(parameters["points"]), int(parameters["dim"])))

    def payload(self, seq: int) -> npt.NDArray[Any]:
        return np.full(self.schema.shape, seq, dtype=np.float32)
