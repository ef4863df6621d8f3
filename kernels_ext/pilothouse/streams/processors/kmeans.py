"""Streaming k-means: a decayed mini-batch update for each message, with the rule of Spark MLlib."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.streams.messages import Corrupt
from pilothouse.streams.parameters import number, whole

Floats = npt.NDArray[np.float64]

_HEAD = struct.Struct("<4sII")
_MAGIC = b"KMS1"


def assign(
    points: npt.NDArray[np.float32], centres: npt.NDArray[np.float32], sums: Floats, counts: npt.NDArray[np.int64]
) -> float:
    """What :func:`pilothouse.streams.processors.kmeans_kernel.assign` does, in numpy and float64."""
    cost = 0.0
    target = centres.astype(np.float64)
    for start in range(0, len(points), 4096):
        block = points[start : start + 4096].astype(np.float64)
        # |x - c|^2 less |x|^2, which does not change what is nearest. One product of matrices: few calls, for while
        # the compiled loop is being imported beside it each call may wait for the interpreter.
        distance = block @ (-2.0 * target.T)
        distance += (target**2).sum(axis=1)
        labels = distance.argmin(axis=1)
        cost += float((block**2).sum() + distance[np.arange(len(block)), labels].sum())
        counts += np.bincount(labels, minlength=len(counts))
        for d in range(block.shape[1]):
            sums[:, d] += np.bincount(labels, block[:, d], len(counts))
    return cost


def update(centres: Floats, weights: Floats, sums: Floats, counts: npt.NDArray[np.int64], decay: float) -> None:
    """Move `centres` and `weights` by one batch, in place.

    Each centre becomes the mean of its past, discounted by `decay`, and of its new points::

        n' = n decay + m        c' = (c n decay + sum) / n'

    A cluster whose weight fell below 1e-8 of the largest is dead: it takes half of the largest. This is
    ``StreamingKMeansModel.update`` of Spark MLlib with the time unit "batches".

    Parameters
    ----------
    centres, weights
        Shapes (k, dim) and (k,).
    sums, counts
        Shapes (k, dim) and (k,): sum and number of the batch's points in each cluster.
    decay
        What the past still weighs after one batch: 1 keeps everything, 0 nothing.
    """
    weights *= decay
    new = weights + counts
    share = counts / np.maximum(new, 1e-16)
    hit = counts > 0
    means = sums[hit] / counts[hit, None]
    centres[hit] = (1 - share[hit, None]) * centres[hit] + share[hit, None] * means
    weights[:] = new
    largest, smallest = int(np.argmax(weights)), int(np.argmin(weights))
    if weights[smallest] < 1e-8 * weights[largest]:
        weights[[largest, smallest]] = (weights[largest] + weights[smallest]) / 2
        centre = centres[largest].copy()
        shift = 1e-14 * np.maximum(np.abs(centre), 1.0)
        centres[largest], centres[smallest] = centre + shift, centre - shift


def choose(points: npt.NDArray[np.float32], k: int, seed: int) -> Floats:
    """`k` of the points as first centres: greedy k-means++ (Arthur & Vassilvitskii 2007, section 5; as scikit-learn).

    Each next centre is the best of 2 + ln k candidates drawn with probability proportional to the squared distance
    from the centres so far. About 8 k points (2048 at least), evenly taken, are looked at. With fewer points than
    `k`, some are taken twice, a hair apart.
    """
    rng = np.random.default_rng(seed)
    data = points[:: max(1, len(points) // max(2048, 8 * k))].astype(np.float64)
    norms = (data**2).sum(axis=1)
    chosen = [int(rng.integers(len(data)))]
    nearest = ((data - data[chosen[0]]) ** 2).sum(axis=1)
    trials = 2 + int(np.log(k))
    while len(chosen) < min(k, len(data)):
        edges = np.cumsum(nearest)
        drawn = np.minimum(np.searchsorted(edges, rng.random(trials) * edges[-1]), len(data) - 1)
        distance = norms[drawn, None] - 2 * data[drawn] @ data.T + norms
        left = np.minimum(nearest, np.maximum(distance, 0))
        best = int(np.argmin(left.sum(axis=1)))
        chosen.append(int(drawn[best]))
        nearest = left[best]
    centres = data[chosen]
    if len(centres) < k:
        again = centres[np.arange(k - len(centres)) % len(centres)]
        centres = np.concatenate([centres, again + 1e-6 * rng.standard_normal(again.shape)])
    return centres


class KMeans:
    """Streaming k-means: decayed mini-batches, the update rule of Spark MLlib.

    The model is that of one partition. It begins with :func:`choose` on the first message.

    Parameters
    ----------
    parameters
        ``clusters``, ``decay``, ``seed``.
    state
        What :meth:`state` gave, or nothing.
    """

    #: The mean squared distance of a message's points to the nearest centre, before they moved it.
    quality = "cost"
    #: Slow until :meth:`warm` has loaded the compiled loop, which takes a second, and many where it must be compiled.
    assign: Callable[..., float] = staticmethod(assign)

    def __init__(self, parameters: Mapping[str, Any], state: bytes = b"") -> None:
        self.k, self.seed = whole(parameters, "clusters", 1), whole(parameters, "seed", 0)
        self.decay = float(number(parameters, "decay", 0, 1))
        self.centres: Floats | None = None
        self.weights: Floats | None = None
        if state:
            self.centres, self.weights = _decode(state)

    @staticmethod
    def warm() -> None:
        """Load the compiled loop in place of :func:`assign`; compile it where that was never done."""
        from pilothouse.streams.processors import kmeans_kernel

        KMeans.assign = staticmethod(kmeans_kernel.assign)

    def process(self, payload: npt.NDArray[Any]) -> float:
        """Assign the points (n, dim; float32) to the current centres, then move these; the cost before that."""
        if self.centres is None or self.weights is None:
            self.centres = choose(payload, self.k, self.seed)
            self.weights = np.zeros(self.k)
        sums = np.zeros_like(self.centres)
        counts = np.zeros(self.k, dtype=np.int64)
        cost = self.assign(payload, self.centres.astype(np.float32), sums, counts)
        update(self.centres, self.weights, sums, counts, self.decay)
        return float(cost) / len(payload)

    def state(self) -> bytes:
        """Centres and weights: a 12-byte head and float64 values."""
        if self.centres is None or self.weights is None:
            return b""
        return _HEAD.pack(_MAGIC, *self.centres.shape) + self.weights.tobytes() + self.centres.tobytes()

    @staticmethod
    def merge(parameters: Mapping[str, Any], states: Sequence[bytes]) -> dict[str, Any]:  # noqa: ARG004 - the protocol's: the states say all
        """One model from those of all partitions: weighted k-means of their centres.

        It begins at the centres of the heaviest partition and takes at most ten of Lloyd's steps.

        Returns
        -------
        dict
            ``centres`` (cluster, axis) and ``weights`` (cluster): decayed numbers of points; for each its ``dims``,
            ``data`` and ``attrs``. Empty when no partition has a model.
        """
        models = sorted((_decode(state) for state in states if state), key=lambda model: -float(model[1].sum()))
        if not models:
            return {}
        centres = models[0][0].copy()
        points, mass = (np.concatenate(parts) for parts in zip(*models, strict=True))
        weights = mass
        if len(models) > 1:
            for _ in range(10):
                square = (centres**2).sum(axis=1)[None] - 2 * points @ centres.T
                labels = square.argmin(axis=1)
                weights = np.bincount(labels, mass, len(centres))
                moved = centres.copy()
                for d in range(points.shape[1]):
                    total = np.bincount(labels, mass * points[:, d], len(centres))
                    np.divide(total, weights, out=moved[:, d], where=weights > 0)
                if np.array_equal(moved, centres):
                    break
                centres = moved
        return {
            "centres": {"dims": ["cluster", "axis"], "data": centres.tolist(), "attrs": {}},
            "weights": {"dims": ["cluster"], "data": weights.tolist(), "attrs": {"units": "points"}},
        }


def _decode(state: bytes) -> tuple[Floats, Floats]:
    magic, k, dim = _HEAD.unpack_from(state) if len(state) >= _HEAD.size else (b"", 0, 0)
    if magic != _MAGIC or len(state) != _HEAD.size + 8 * k * (dim + 1):
        raise Corrupt("this is not the state of a k-means processor")
    values = np.frombuffer(state, dtype=np.float64, offset=_HEAD.size).copy()
    return values[k:].reshape(k, dim), values[:k]
