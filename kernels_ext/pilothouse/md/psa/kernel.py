"""Path similarity: Hausdorff and discrete Fréchet distances between all pairs of paths, exact in float64.

The distance between two frames is their RMSD without a fit (Å); align all trajectories to one reference first,
a fit per pair would break the triangle inequality. The Hausdorff distance of two paths is the largest distance
from a frame of one to the nearest frame of the other (Seyler, Kumar, Thorpe, Beckstein, PLoS Comput Biol 11
(2015) e1004568; task-parallel in arXiv:1801.07630); the discrete Fréchet distance is the shortest leash with
which both paths can be walked (Eiter, Mannila, TU Wien report CD-TR 94/64, 1994).

The matrix of pairs is halved again and again (rows of the first half by columns of the second), so that no
pair is computed twice and the matrix products stay large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from pilothouse.md.psa.filtering import Array, Cell, Floats, Indices, exact, products, relative_bound
from pilothouse.md.psa.frechet import leashes

#: The most rows or columns of one matrix of frames (unless one path is longer): 16 MB in float32.
_SIDE = 2048

#: Values of matrices that wait to be walked together for the Fréchet distance (4 MB in float32).
_WAITING = 2**20


@dataclass
class Similarity:
    """Distances between paths.

    Attributes
    ----------
    hausdorff
        Shape (rows, columns), float64, Å.
    frame_a, frame_b
        Shape (rows, columns), int64: the frames (of the row's and of the column's path) whose distance it is.
    frechet
        Shape (rows, columns), float64, Å; None when it was not asked for.
    """

    hausdorff: Floats
    frame_a: npt.NDArray[np.int64]
    frame_b: npt.NDArray[np.int64]
    frechet: Floats | None

    @staticmethod
    def zeros(rows: int, columns: int, *, with_frechet: bool) -> Similarity:
        """All zero: what a path's distance to itself is."""
        shape = (rows, columns)
        return Similarity(
            np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64),
            np.zeros(shape) if with_frechet else None,
        )  # fmt: skip

    def mirror(self) -> None:
        """Fill the lower triangle from the upper one."""
        lower = np.tril_indices(len(self.hausdorff), -1)
        self.hausdorff[lower] = self.hausdorff.T[lower]
        self.frame_a[lower], self.frame_b[lower] = self.frame_b.T[lower], self.frame_a.T[lower]
        if self.frechet is not None:
            self.frechet[lower] = self.frechet.T[lower]

    def put(self, rows: range, columns: range, block: Similarity) -> None:
        """Put a block into its place in this square, and its mirror image into the opposite one."""
        here, there = np.ix_(rows, columns), np.ix_(columns, rows)
        self.hausdorff[here], self.hausdorff[there] = block.hausdorff, block.hausdorff.T
        self.frame_a[here], self.frame_b[here] = block.frame_a, block.frame_b
        if rows != columns:
            self.frame_a[there], self.frame_b[there] = block.frame_b.T, block.frame_a.T
        if self.frechet is not None and block.frechet is not None:
            self.frechet[here], self.frechet[there] = block.frechet, block.frechet.T


def compare(
    paths: Sequence[Array], *, with_frechet: bool = False, tick: Callable[[int], None] | None = None
) -> Similarity:
    """Compare every path with every other.

    Parameters
    ----------
    paths
        Each (frames, K), K = 3 x atoms, float32 or float64, finite, Å.
    with_frechet
        Compute the discrete Fréchet distance too.
    tick
        Called with the number of pairs just done.

    Returns
    -------
    Similarity
        Square; ``hausdorff`` and ``frechet`` are symmetric with a zero diagonal.
    """
    found = Similarity.zeros(len(paths), len(paths), with_frechet=with_frechet)
    groups = _groups(paths)
    for at, rows in enumerate(groups):
        _fill(paths, paths, rows, None, found)
        for columns in groups[at + 1 :]:
            _fill(paths, paths, rows, columns, found)
        if tick:
            tick(len(rows) * (len(rows) - 1) // 2 + len(rows) * (len(paths) - rows.stop))
    found.mirror()
    return found


def compare_between(left: Sequence[Array], right: Sequence[Array], *, with_frechet: bool = False) -> Similarity:
    """Compare every path of `left` with every path of `right`: a block off the diagonal, with the bits of `compare`."""
    found = Similarity.zeros(len(left), len(right), with_frechet=with_frechet)
    for rows in _groups(left):
        for columns in _groups(right):
            _fill(left, right, rows, columns, found)
    return found


def _groups(paths: Sequence[Array]) -> list[range]:
    """Neighbouring paths, so many at a time that their matrix of frames stays small."""
    groups = [range(0)]
    frames = 0
    for i, path in enumerate(paths):
        if frames + len(path) > _SIDE and len(groups[-1]):
            groups.append(range(i, i))
            frames = 0
        groups[-1] = range(groups[-1].start, i + 1)
        frames += len(path)
    return groups


def _halves(first: list[int], start: int, stop: int) -> Iterator[Cell]:
    """Cells that cover each pair of different paths from `start` to `stop` once, as large as can be."""
    if stop - start > 1:
        middle = (start + stop) // 2
        yield slice(first[start], first[middle]), slice(first[middle], first[stop])
        yield from _halves(first, start, middle)
        yield from _halves(first, middle, stop)


def _fill(left: Sequence[Array], right: Sequence[Array], rows: range, columns: range | None, found: Similarity) -> None:
    """Compare paths `rows` of `left` with paths `columns` of `right`; None: with the later ones of themselves."""
    some = [left[i] for i in rows]
    others = None if columns is None else [right[j] for j in columns]
    down = [0, *accumulate(map(len, some))]
    across = down if others is None else [0, *accumulate(map(len, others))]
    cells = list(_halves(down, 0, len(some))) if others is None else [(slice(0, down[-1]), slice(0, across[-1]))]
    product = products(some, others, cells, np.float32)
    length = some[0].shape[1]
    bound, atoms = relative_bound(length, np.float32), length // 3
    waiting: dict[tuple[int, int], _Pair] = {}
    for i, one in enumerate(some):
        here = slice(down[i], down[i + 1])
        for j, other in enumerate(others or some):
            if others is None and j <= i:
                continue
            there = slice(across[j], across[j + 1])
            squared = product.squared(here, there)
            pair = _Pair(one, other, squared, product.row_norms[here], product.column_norms[there], bound)
            at = rows[i], (columns or rows)[j]
            square, found.frame_a[at], found.frame_b[at] = pair.hausdorff()
            found.hausdorff[at] = np.sqrt(square / atoms)
            if found.frechet is not None:
                waiting[at] = pair
                if len(waiting) * pair.squared.size > _WAITING:
                    _fill_frechet(waiting, atoms, found.frechet)
    if found.frechet is not None:
        _fill_frechet(waiting, atoms, found.frechet)


def _fill_frechet(waiting: dict[tuple[int, int], _Pair], atoms: int, found: Floats) -> None:
    """Put the Fréchet distances of the pairs that wait into their places."""
    for is_double in (False, True):
        some = {at: pair for at, pair in waiting.items() if pair.is_double is is_double}
        if some:
            found[tuple(zip(*some, strict=True))] = np.sqrt(frechet(list(some.values())) / atoms)
    waiting.clear()


class _Pair:
    """Two paths, their filtered squared distances, and how far those may be off."""

    def __init__(
        self, left: Array, right: Array, squared: Array, left_norms: Floats, right_norms: Floats, bound: float
    ) -> None:
        self.left, self.right, self.squared = left, right, squared
        self._set_errors(bound * left_norms, bound * right_norms)
        # With more than these a product in float64 is cheaper than the exact sums.
        self.most = (len(left) + len(right)) // 2 + len(left) * len(right) // 60
        self.is_double = squared.dtype == np.float64
        if not (self.is_double or np.isfinite(squared).all()):
            self.to_double()  # coordinates beyond the range of float32

    def hausdorff(self) -> tuple[float, int, int]:
        """The squared distance (sum over atoms) and the frames whose distance it is."""
        rows, columns = self._deciding()
        if len(rows[0]) + len(columns[0]) > self.most and not self.is_double:
            self.to_double()
            rows, columns = self._deciding()
        n = len(rows[0])
        if n == len(columns[0]) == 1 and rows[0][0] == columns[0][0] and rows[1][0] == columns[1][0]:
            columns = rows[0][:0], rows[1][:0]  # one pair of frames decides both ways round
        values = exact(self.left, self.right, (np.append(rows[0], columns[0]), np.append(rows[1], columns[1])))
        forward = _largest_of_nearest(values[:n], *rows) if n else (-1.0, 0, 0)
        if not len(columns[0]):
            return forward
        value, b, a = _largest_of_nearest(values[n:], *columns[::-1])
        return (value, a, b) if value > forward[0] else forward

    def _deciding(self) -> tuple[tuple[Indices, Indices], tuple[Indices, Indices]]:
        """Pairs of frames that can decide: from the rows' nearest columns, from the columns' nearest rows.

        A row counts when its nearest distance may be the largest of all; then every column that may be its nearest.
        """
        nearest_row, nearest_column = self.squared.min(axis=1), self.squared.min(axis=0)
        at_least = max((nearest_row - self.row_error).max(), (nearest_column - self.column_error).max())
        (rows,) = (nearest_row + self.row_error >= at_least).nonzero()
        (columns,) = (nearest_column + self.column_error >= at_least).nonzero()
        i, j = (self.squared[rows] <= (nearest_row[rows] + 2 * self.row_error[rows])[:, None]).nonzero()
        k, m = (self.squared[:, columns] <= nearest_column[columns] + 2 * self.column_error[columns]).nonzero()
        return (rows[i], j), (k, columns[m])

    def to_double(self) -> None:
        """Filter in float64 from here on."""
        everything = slice(0, len(self.left)), slice(0, len(self.right))
        product = products([self.left], [self.right], [everything], np.float64)
        self.squared = product.squared(*everything)
        bound = relative_bound(self.left.shape[1], np.float64)
        self._set_errors(bound * product.row_norms, bound * product.column_norms)
        self.is_double = True

    def _set_errors(self, left: Floats, right: Floats) -> None:
        """A squared distance is off by at most the sum of its two frames' errors."""
        self.errors = left, right
        self.row_error, self.column_error = left + right.max(), right + left.max()


def frechet(pairs: Sequence[_Pair]) -> Floats:
    """The squared discrete Fréchet distance (sum over atoms) of each pair, all filtered in one precision."""
    windows = _windows(pairs)
    crowded = [p for p, pair in enumerate(pairs) if not pair.is_double and len(windows[p][0]) > pair.most]
    found = np.empty(len(pairs))
    several, refined = [], []
    for p, (pair, at) in enumerate(zip(pairs, windows, strict=True)):
        if p in crowded:
            pair.to_double()
            (at,) = _windows([pair])
        values = exact(pair.left, pair.right, at)
        if len(values) == 1:
            found[p] = values[0]
            continue
        # Entries outside the window are on their side of every threshold inside it, whatever their error.
        several.append(p)
        refined.append(pair.squared.astype(np.float64))
        refined[-1][at] = values
    found[several] = leashes(refined)
    return found


def _windows(pairs: Sequence[_Pair]) -> list[tuple[Indices, Indices]]:
    """Of each pair the frames whose distance may be its discrete Fréchet distance.

    That lies between the distances of the walks over the least and over the largest that all entries can be.
    """
    dtype = pairs[0].squared.dtype
    errors = [np.add.outer(*pair.errors).astype(dtype) for pair in pairs]
    least = [pair.squared - error for pair, error in zip(pairs, errors, strict=True)]
    most = [pair.squared + error for pair, error in zip(pairs, errors, strict=True)]
    low, high = leashes(least), leashes(most)
    windows = []
    for p in range(len(pairs)):
        rows, columns = ((most[p] >= low[p]) & (least[p] <= high[p])).nonzero()
        windows.append((rows, columns))
    return windows


def _largest_of_nearest(values: Floats, rows: Indices, columns: Indices) -> tuple[float, int, int]:
    """The largest over rows of the smallest over columns, and its row and column (the first of equals)."""
    if len(values) == 1:
        return float(values[0]), int(rows[0]), int(columns[0])
    order = np.lexsort((columns, values, rows))
    starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
    nearest = order[starts]
    best = nearest[np.argmax(values[nearest])]
    return float(values[best]), int(rows[best]), int(columns[best])
