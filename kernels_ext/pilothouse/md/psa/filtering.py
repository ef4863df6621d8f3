"""Squared distances between frames by one matrix product, with a bound on their error.

A matrix product in float32 is the fastest way to all squared distances between two paths,
``|a - b|^2 = |a|^2 + |b|^2 - 2 a.b``, and a poor one to their values: two near paths far from the origin lose
every digit. So the product only filters; whatever lies within the bound below of the deciding entry is
computed again from the original coordinates in float64 (:func:`exact`).

The bound. Let `u` be the unit round-off (2^-24 or 2^-53), `K` the length of a frame (3 x atoms), `a`, `b` the
centred and rounded frames with squared norms `na`, `nb`.

* Centring and rounding changes each component by at most a factor 1 + 2u, hence the squared distance by at
  most ``4u (|a| + |b|)^2 <= 8u (na + nb)``.
* A dot product of length L summed in any order has an error of at most ``Lu / (1 - Lu) |a| |b|`` (Higham,
  *Accuracy and Stability of Numerical Algorithms*, 2nd ed., section 3.1). Summed in C pieces of length L the
  error is that of length L + C, so the product is taken in pieces of 1024. Twice ``|a| |b|`` is at most
  ``na + nb``.
* Norms are summed in pieces of N = 128, these in float64: at most ``(N u / (1 - Nu) + K v / (1 - Kv)) (na + nb)``
  with v = 2^-53. Rounding them and the two additions cost at most ``7u (na + nb)``; adding the bound to
  the result, or subtracting it, ``3u (na + nb)``.

Together ``((T / (1 - Tu) + N / (1 - Nu) + 20) u + K v / (1 - Kv)) (na + nb)`` with T = L + C. It holds for every
BLAS, blocking, and number of threads, because it assumes nothing of the order of summation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

Paths = Sequence[Array]
Cell = tuple[slice, slice]

#: Length of the pieces in which dot products are summed.
PIECE = 1024

#: Length of the pieces in which squares are summed to norms.
_NORM_PIECE = 128

#: Values evaluated at once by :func:`exact`: they stay in the cache from one step to the next.
_CHUNK = 2**15


@dataclass(frozen=True)
class Products:
    """Dot products of centred frames.

    Attributes
    ----------
    dots
        Shape (rows, columns).
    row_norms, column_norms
        Squared norms of the centred frames, float64, shape (rows,) and (columns,).
    """

    dots: Array
    row_norms: Floats
    column_norms: Floats

    def squared(self, rows: slice, columns: slice) -> Array:
        """Squared distances of these frames, within :func:`relative_bound` of the truth."""
        dots = self.dots[rows, columns]
        left, right = self.row_norms[rows].astype(dots.dtype), self.column_norms[columns].astype(dots.dtype)
        squared: Array = np.add.outer(left, right)
        squared -= dots
        squared -= dots
        return squared


def relative_bound(length: int, dtype: npt.DTypeLike) -> float:
    """The error of a filtered squared distance, divided by ``na + nb``.

    Parameters
    ----------
    length
        K, the numbers in a frame: 3 x atoms.
    dtype
        float32 or float64: what the matrix product is computed in.
    """
    unit = float(np.finfo(np.dtype(dtype)).eps) / 2
    terms = min(length, PIECE) + -(-length // PIECE)
    squares = min(length, _NORM_PIECE)
    norms = length * 2.0**-53
    return (terms / (1 - terms * unit) + squares / (1 - squares * unit) + 20) * unit + norms / (1 - norms)


def products(left: Paths, right: Paths | None, cells: list[Cell], dtype: npt.DTypeLike) -> Products:
    """All dot products of the frames of `left` and `right` that lie in `cells`, of centred frames.

    A structure is subtracted from every frame: distances don't change, norms shrink, and with them the bound.
    Any structure will do: the mean of a few frames of each path is near enough to the mean of all. Frames are
    centred piece by piece, while the piece is in the cache.

    Parameters
    ----------
    left, right
        Paths, each (frames, K), float32 or float64, Å. ``right=None``: the same as `left`.
    cells
        Rectangles (slice of rows, slice of columns) of the matrix of frames to fill.
    dtype
        float32 or float64: what the products are computed in.
    """
    everything = left if right is None else [*left, *right]
    middle = np.mean([path[:: max(1, len(path) // 8)].mean(axis=0, dtype=np.float64) for path in everything], axis=0)
    rows = _Rows(left, middle, dtype)
    columns = rows if right is None else _Rows(right, middle, dtype)
    dots = np.empty((len(rows.norms), len(columns.norms)), dtype=dtype)
    largest = max(((cell[0].stop - cell[0].start) * (cell[1].stop - cell[1].start) for cell in cells), default=0)
    scratch = np.empty(largest, dtype=dtype)
    for start in range(0, len(middle), PIECE):
        piece = slice(start, min(start + PIECE, len(middle)))
        one = rows.piece(piece)
        other = one if columns is rows else columns.piece(piece)
        for down, across in cells:
            if not start:
                np.matmul(one[down], other[across].T, out=dots[down, across])
                continue
            shape = (down.stop - down.start, across.stop - across.start)
            part = scratch[: shape[0] * shape[1]].reshape(shape)
            np.matmul(one[down], other[across].T, out=part)
            dots[down, across] += part
    return Products(dots, rows.norms, columns.norms)


class _Rows:
    """The frames of several paths as rows of one matrix, of which one piece exists at a time."""

    def __init__(self, paths: Paths, middle: Floats, dtype: npt.DTypeLike) -> None:
        self.paths, self.middle = paths, middle
        self.norms = np.zeros(sum(map(len, paths)))
        self.buffer = np.empty((len(self.norms), min(PIECE, len(middle))), dtype=dtype)

    def piece(self, columns: slice) -> Array:
        """Columns `columns` of the centred matrix; adds their part to the norms."""
        rows = self.buffer[:, : columns.stop - columns.start]
        start = 0
        for path in self.paths:
            part = rows[start : start + len(path)]
            # In the wider of the two precisions the subtraction rounds once, the conversion once more.
            np.subtract(
                path[:, columns], self.middle[columns].astype(path.dtype),
                out=part, casting="same_kind", dtype=np.result_type(path, rows),
            )  # fmt: skip
            self.norms[start : start + len(path)] += _squares(part)
            start += len(path)
        return rows


def _squares(rows: Array) -> Floats:
    """Squared norms of rows: pieces summed in the rows' own precision, the pieces' sums in float64."""
    whole = rows.shape[1] // _NORM_PIECE * _NORM_PIECE
    rest = rows[:, whole:]
    norms: Floats = np.einsum("ij,ij->i", rest, rest).astype(np.float64)
    if whole:
        pieces = rows[:, :whole].reshape(len(rows), -1, _NORM_PIECE)
        norms += np.einsum("ijk,ijk->ij", pieces, pieces).sum(axis=1, dtype=np.float64)
    return norms


def exact(left: Array, right: Array, at: tuple[Indices, Indices]) -> Floats:
    """Squared distances between frames ``left[at[0]]`` and ``right[at[1]]``, in float64 from the originals.

    The sum is NumPy's pairwise one: the same bits whatever the number of threads, and either way round.

    Parameters
    ----------
    left, right
        Shape (frames, K), Å.
    at
        Indices of frames, shape (n,) each.

    Returns
    -------
    numpy.ndarray
        Shape (n,), Å^2, summed over atoms (not divided by them).
    """
    rows, columns = at
    found = np.empty(len(rows))
    step = max(1, _CHUNK // left.shape[1])
    buffer = np.empty((min(step, len(rows)), left.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = buffer[: len(rows[part])]
        difference[...] = left[rows[part]]
        difference -= right[columns[part]]
        np.square(difference, out=difference)
        difference.sum(axis=1, out=found[part])
    return found
