"""The customer's data: where it comes from, how it is scaled, held out and split among providers."""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pilothouse.errors import InvalidInput, Unavailable
from pilothouse.market.learning.arrays import Floats, Shard

#: Datasets that can be named instead of given.
NAMED = ("digits",)


def named(name: str) -> Shard:
    """A dataset by its name, unscaled. ``digits``: 1797 images of 8 x 8 pixels in 10 classes (scikit-learn)."""
    if name not in NAMED:
        raise InvalidInput(f"data={name!r} is unknown: take one of {', '.join(NAMED)}, or arrays (X, y)", field="data")
    table = _digits()
    return Shard(table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64))


def _digits() -> npt.NDArray[np.float64]:
    """Scikit-learn's own file, shape (1797, 65): reading it takes milliseconds, importing scikit-learn seconds."""
    found = importlib.util.find_spec("sklearn")
    for place in (found.submodule_search_locations if found else None) or []:
        path = Path(place, "datasets", "data", "digits.csv.gz")
        if path.exists():
            with gzip.open(path, "rt") as file:
                return np.loadtxt(file, delimiter=",")
    raise Unavailable("data='digits' needs scikit-learn: pip install pilothouse[market]", field="data")


def checked(data: Any) -> Shard:
    """`data` = (X, y) as samples.

    Parameters
    ----------
    data
        X of shape (n, features), finite numbers; y of shape (n,), integer classes from 0.

    Raises
    ------
    InvalidInput
        It is none of this; the message says what is wrong.
    """
    try:
        x, y = data
        x, y = np.asarray(x, dtype=np.float32), np.asarray(y)
    except (TypeError, ValueError) as error:
        message = f"data must be (X, y), arrays of numbers, or a dataset's name: {error}"
        raise InvalidInput(message, field="data") from None
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise InvalidInput(f"data: X {x.shape} and y {y.shape} must be (n, features) and (n,)", field="data")
    if not np.issubdtype(y.dtype, np.integer) or y.min(initial=0) < 0:
        raise InvalidInput(f"data: y must hold classes 0, 1, 2, … as integers, not {y.dtype}", field="data")
    if not np.isfinite(x).all():
        raise InvalidInput("data: X has values that are not finite", field="data")
    if len(y) < 20 or len(np.unique(y)) < 2:
        raise InvalidInput("data: at least 20 samples of at least 2 classes are needed", field="data")
    return Shard(x, y.astype(np.int64))


def check_split(y: npt.NDArray[np.int64], providers: int, seed: int, held_out: float) -> None:
    """Pass when :func:`split` leaves at least 5 samples to judge by, and 5 for each provider.

    Raises
    ------
    InvalidInput
        It does not; the message says what to change.
    """
    kept, *shards = split(y, providers, seed, held_out)
    if len(kept) < 5:
        message = f"held_out={held_out} leaves {len(kept)} of {len(y)} samples to judge by: at least 5 are needed"
        raise InvalidInput(message, field="held_out")
    if min(map(len, shards)) < 5:
        message = f"providers={providers} are too many for {len(y)} samples: each needs at least 5"
        raise InvalidInput(message, field="providers")


@dataclass(frozen=True)
class Scaling:
    """Features to zero mean and unit variance, by the training part's moments.

    Attributes
    ----------
    mean, std
        Shape (features,), float32; std is 1 where a feature does not vary.
    """

    mean: Floats
    std: Floats

    @staticmethod
    def of(x: Floats) -> Scaling:
        """The moments of `x`, shape (n, features)."""
        std = x.std(axis=0, dtype=np.float64)
        mean = x.mean(axis=0, dtype=np.float64)
        return Scaling(mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32))

    def __call__(self, x: Floats) -> Floats:
        """`x`, shape (n, features), scaled."""
        scaled: Floats = (x - self.mean) / self.std
        return scaled


def split(y: npt.NDArray[np.int64], parts: int, seed: int, held_out: float) -> tuple[npt.NDArray[np.int64], ...]:
    """Indices of a held-out part and of `parts` shards, each with about the same mix of classes.

    A seeded shuffle deals each class out in turn, so shards are as good as independent and identically
    distributed: federated learning's easiest case, and the customer's to have, who owns the data.

    Returns
    -------
    tuple of int64 arrays
        The held-out indices, then one array a shard; together each index once.
    """
    random = np.random.default_rng(seed)
    kept: list[npt.NDArray[np.int64]] = []
    dealt: list[npt.NDArray[np.int64]] = []
    for label in np.unique(y):
        mine = random.permutation(np.flatnonzero(y == label))
        cut = round(held_out * len(mine))
        kept.append(mine[:cut])
        dealt.append(mine[cut:])
    deck = np.concatenate(dealt)  # dealing goes on from class to class, so that shard sizes differ by one at most
    shards = [random.permutation(deck[first::parts]) for first in range(parts)]
    return np.sort(np.concatenate(kept)), *shards
