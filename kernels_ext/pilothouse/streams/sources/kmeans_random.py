"""KMeans-random: blocks of points around fixed random centres (the source of the paper's k-means Mini-App)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.streams.messages import Schema
from pilothouse.streams.parameters import whole

#: Half the side of the box that holds the true centres; the points scatter around them with deviation 1.
BOX = 20.0


class KMeansRandom:
    """Blocks of points around random centres that stay.

    Gaussian clouds of deviation 1 around `clusters` centres, uniform in a box of side 40.
    The original made a new mean for each cluster and message, so that no model could settle; here the centres
    stay, and the cost of a good model tends to `dim` (the mean squared distance of a point to its centre).

    Parameters
    ----------
    parameters
        ``clusters``, ``points`` (a message), ``dim``, ``seed``.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.points, self.dim = whole(parameters, "points", 1), whole(parameters, "dim", 1)
        self.seed = whole(parameters, "seed", 0, 2**63 - 1)
        self.schema = Schema("<f4", (self.points, self.dim))
        rng = np.random.default_rng(self.seed)
        self.centres = rng.uniform(-BOX, BOX, (whole(parameters, "clusters", 1), self.dim)).astype(np.float32)

    def payload(self, seq: int) -> npt.NDArray[np.float32]:
        """Message `seq`: shape (points, dim), float32, from its own counter-based stream of random numbers."""
        # Philox is keyed by (seed, seq): any process makes any message, in any order, without the ones before it.
        rng = np.random.Generator(np.random.Philox(key=np.array([self.seed, seq], dtype=np.uint64)))
        block = rng.standard_normal((self.points, self.dim), dtype=np.float32)
        block += self.centres[rng.integers(0, len(self.centres), self.points)]
        return block
