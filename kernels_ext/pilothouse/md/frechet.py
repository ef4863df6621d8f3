"""The discrete Fréchet distance from a matrix of distances: anti-diagonal by anti-diagonal, no recursion."""

from __future__ import annotations

import numpy as np

from pilothouse.md.filtering import Array


def leash(distances: Array) -> float:
    """The smallest, over all monotone walks along both paths, of the largest distance met.

    The recurrence ``c(i, j) = max(d(i, j), min(c(i-1, j), c(i, j-1), c(i-1, j-1)))`` of Eiter and Mannila (1994)
    needs only the two anti-diagonals before, so a path of any length costs two rows of memory.

    Parameters
    ----------
    distances
        Shape (frames of one path, frames of the other), any monotone function of distance.

    Returns
    -------
    float
        An element of `distances`.

    Examples
    --------
    >>> leash(np.array([[0.0, 3.0], [2.0, 1.0]]))
    1.0
    """
    rows, columns = distances.shape
    # skewed[k, i] is distances[i, k - i]: the columns of a matrix padded with infinity, read one longer each row.
    padded = np.full((rows, columns + rows), np.inf, dtype=distances.dtype)
    padded[:, :columns] = distances
    skewed = np.ascontiguousarray(padded.ravel()[: rows * (columns + rows - 1)].reshape(rows, -1).T)
    # Entry 0 of these stands for a row before the first.
    before = np.full(rows + 1, np.inf, dtype=distances.dtype)
    last = before.copy()
    current = before.copy()
    last[1:] = skewed[0]
    for diagonal in skewed[1:]:
        reach = current[1:]
        np.minimum(last[1:], last[:-1], out=reach)
        np.minimum(reach, before[:-1], out=reach)
        np.maximum(reach, diagonal, out=reach)
        before, last, current = last, current, before
    return float(last[-1])
