"""Federated averaging: the sample-weighted mean of the providers' weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pilothouse.market.learning.arrays import Floats, State


def fedavg(states: Sequence[Mapping[str, Floats]], samples: Sequence[int]) -> State:
    """Algorithm 1 of McMahan et al. (2017, arXiv:1602.05629): the mean of `states`, weighted by `samples`.

    Parameters
    ----------
    states
        At least one; the same names and shapes in each.
    samples
        Positive counts, one a state.

    Returns
    -------
    State
        Float32, summed in float64.
    """
    if not states or len(states) != len(samples) or min(samples) <= 0:
        raise ValueError("fedavg needs states and a positive sample count for each")
    weights = np.asarray(samples, dtype=np.float64) / sum(samples)
    mean: State = {}
    for name in states[0]:
        total = sum(weight * state[name].astype(np.float64) for weight, state in zip(weights, states, strict=True))
        mean[name] = np.asarray(total, dtype=np.float32)
    return mean
