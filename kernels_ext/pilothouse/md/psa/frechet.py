"""The discrete Fréchet distance from matrices of distances: anti-diagonal by anti-diagonal, many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pilothouse.md.psa.filtering import Array, Floats

#: The most values of matrices that are walked together (unless one has more): 1 MB in float32, near the processor.
_TOGETHER = 2**18


def leashes(matrices: Sequence[Array]) -> Floats:
    """For each matrix the smallest, over all monotone walks along both paths, of the largest distance met.

    The recurrence ``c(i, j) = max(d(i, j), min(c(i-1, j), c(i, j-1), c(i-1, j-1)))`` of Eiter and Mannila (1994)
    needs only the two anti-diagonals before. Those of many matrices are computed in one step each, so the cost
    of a step is shared, and a path of any length needs no recursion.

    Parameters
    ----------
    matrices
        Each (frames of one path, frames of the other), any monotone function of distance, of one dtype.

    Returns
    -------
    numpy.ndarray
        Shape (matrices,), float64: an element of each.

    Examples
    --------
    >>> leashes([np.array([[0.0, 3.0], [2.0, 1.0]]), np.array([[5.0]])])
    array([1., 5.])
    """
    found = np.empty(len(matrices))
    # Matrices of one shape lie together, so that little is padded.
    order = sorted(range(len(matrices)), key=lambda i: matrices[i].shape)
    for some in _together([matrices[i].shape for i in order]):
        chosen = order[some]
        found[chosen] = _walk([matrices[i] for i in chosen])
    return found


def _together(shapes: Sequence[tuple[int, ...]]) -> Iterator[slice]:
    """Neighbours that are walked in one batch."""
    start = most_rows = most_steps = 0
    for at, (rows, columns) in enumerate(shapes):
        most_rows, most_steps = max(most_rows, rows), max(most_steps, rows + columns)
        if at > start and (at + 1 - start) * most_rows * most_steps > _TOGETHER:
            yield slice(start, at)
            start, most_rows, most_steps = at, rows, rows + columns
    if shapes:
        yield slice(start, len(shapes))


def _walk(matrices: Sequence[Array]) -> Floats:
    n, most_rows = len(matrices), max(len(matrix) for matrix in matrices)
    # skewed[k, p, 1 + i] is matrices[p][i, k - i]; place 0, and all that is outside of a matrix, is infinite.
    skewed = np.full((max(sum(matrix.shape) for matrix in matrices) - 1, n, 1 + most_rows), np.inf, matrices[0].dtype)
    diagonal, _, place = skewed.strides
    endings: dict[int, list[int]] = {}
    for p, matrix in enumerate(matrices):
        endings.setdefault(sum(matrix.shape) - 2, []).append(p)
        as_strided(skewed[0, p, 1:], matrix.shape, (diagonal + place, diagonal))[...] = matrix
    # A step's state of all matrices is one row, so each operation runs once over contiguous memory.
    steps = skewed.reshape(len(skewed), -1)
    before = np.full(steps.shape[1], np.inf, steps.dtype)
    last, current = steps[0].copy(), before.copy()
    found = np.empty(n)
    for k in range(len(steps)):
        if k:
            reach = current[1:]
            np.minimum(last[1:], last[:-1], out=reach)
            np.minimum(reach, before[:-1], out=reach)
            np.maximum(reach, steps[k, 1:], out=reach)
            before, last, current = last, current, before
        for p in endings.get(k, ()):
            found[p] = last[p * (1 + most_rows) + len(matrices[p])]
    return found
