"""The hot loop of k-means, compiled: nearest centres and partial sums of one block of points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import float32, float64, int32, int64, njit, types

#: Points that are handled together: their coordinates, distances and labels stay in the first-level cache.
BLOCK = 256

_points = types.Array(float32, 2, "C", readonly=True)


@njit(  # type: ignore[untyped-decorator,unused-ignore]
    float64(_points, float32[:, ::1], float64[:, ::1], int64[::1]),
    cache=True, nogil=True, fastmath={"nnan", "nsz", "contract"}, error_model="numpy",
)  # fmt: skip
def assign(
    points: npt.NDArray[np.float32],
    centres: npt.NDArray[np.float32],
    sums: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
) -> Any:
    """Assign each point to its nearest centre (the first of equals) and add it up there.

    The inner loops run over points, not clusters, so that they are vector instructions at every `dim`.

    Parameters
    ----------
    points
        Shape (n, dim).
    centres
        Shape (k, dim).
    sums, counts
        Shapes (k, dim) and (k,): the sum and the number of the points of each cluster are added to them.

    Returns
    -------
    float
        The sum over points of the squared distance to the nearest centre.
    """
    n, dim = points.shape
    k = centres.shape[0]
    # Dimensions are taken four at a time, padded with zeros, which saves three of four trips to `distance`.
    padded = (dim + 3) // 4 * 4
    coordinates = np.zeros((padded, BLOCK), dtype=np.float32)
    target = np.zeros((k, padded), dtype=np.float32)
    target[:, :dim] = centres
    best = np.empty(BLOCK, dtype=np.float32)
    distance = np.zeros(BLOCK, dtype=np.float32)
    label = np.empty(BLOCK, dtype=np.int32)
    cost = 0.0
    last = padded - 4
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        for i in range(size):
            for d in range(dim):
                coordinates[d, i] = points[start + i, d]
        best[:] = np.float32(np.inf)
        label[:] = 0
        for j in range(k):
            if last > 0:
                distance[:] = np.float32(0)
            for d in range(0, last, 4):
                p, q, r, s = coordinates[d], coordinates[d + 1], coordinates[d + 2], coordinates[d + 3]
                a, b, c, e = target[j, d], target[j, d + 1], target[j, d + 2], target[j, d + 3]
                for i in range(BLOCK):
                    t, u, v, w = p[i] - a, q[i] - b, r[i] - c, s[i] - e
                    distance[i] += (t * t + u * u) + (v * v + w * w)
            p, q, r, s = coordinates[last], coordinates[last + 1], coordinates[last + 2], coordinates[last + 3]
            a, b, c, e = target[j, last], target[j, last + 1], target[j, last + 2], target[j, last + 3]
            index = int32(j)
            for i in range(BLOCK):
                t, u, v, w = p[i] - a, q[i] - b, r[i] - c, s[i] - e
                here = distance[i] + ((t * t + u * u) + (v * v + w * w))
                nearer = here < best[i]
                label[i] = index if nearer else label[i]
                best[i] = here if nearer else best[i]
        for i in range(size):
            j = label[i]
            counts[j] += 1
            cost += best[i]
            for d in range(dim):
                sums[j, d] += coordinates[d, i]
    return cost
