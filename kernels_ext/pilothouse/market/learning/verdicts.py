"""The customer's judgement of what providers return, on the customer's own data.

Numbers that a provider reports play no part. Payment follows the checks of the update itself (schema,
norm, work done on its own shard); inclusion in the average also follows leave-one-out on held-out data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pilothouse.market.learning.arrays import Floats, Shard, State, cosine, difference, norm
from pilothouse.market.learning.averaging import fedavg
from pilothouse.market.learning.trainers import Trainer, loss
from pilothouse.market.messages.events import Validation


class Reason(StrEnum):
    """Why a result is accepted, left out of the average, or rejected."""

    OK = "ok"
    LEFT_OUT = "left-out"  # paid, but the held-out loss is lower without it
    LATE = "late"
    UNREADABLE = "unreadable"  # no such blob, wrong hash, no safetensors
    SHAPE = "shape"
    NOT_FINITE = "not-finite"
    NORM = "norm"
    NO_UPDATE = "no-update"
    DUPLICATE = "duplicate"
    NO_WORK = "no-work"


@dataclass(frozen=True)
class Candidate:
    """One provider's result of a round.

    Attributes
    ----------
    provider
        Public key, hex.
    state
        The weights it returned; None with the reason in `fault` when they could not be read.
    shard
        The samples that it was given.
    """

    provider: str
    state: State | None
    shard: Shard
    fault: Reason | None = None


@dataclass(frozen=True)
class Judgement:
    """What was found. `loss_before` and `loss_after` are on the provider's own shard, in nats."""

    provider: str
    accepted: bool
    included: bool
    reason: Reason
    loss_before: float | None = None
    loss_after: float | None = None


def judge(
    candidates: Sequence[Candidate],
    base: Mapping[str, Floats],
    held_out: Shard,
    model: Trainer,
    rules: Validation,
    initial_norm: float,
) -> list[Judgement]:
    """A judgement for each candidate, in their order.

    Parameters
    ----------
    base
        The weights that the round began with.
    initial_norm
        Norm of the job's initial weights, the unit of the norm bounds.
    """
    accepted: list[Candidate] = []
    found: list[Judgement] = []
    updates: list[State] = []
    for candidate in candidates:
        judgement = _examine(candidate, base, updates, model, rules, initial_norm)
        found.append(judgement)
        if judgement.accepted and candidate.state is not None:
            accepted.append(candidate)
            updates.append(difference(candidate.state, base))
    out = _left_out(accepted, held_out, model, rules)
    return [
        Judgement(one.provider, True, False, Reason.LEFT_OUT, one.loss_before, one.loss_after)
        if one.accepted and one.provider in out
        else one
        for one in found
    ]


def _examine(
    candidate: Candidate,
    base: Mapping[str, Floats],
    updates: Sequence[State],
    model: Trainer,
    rules: Validation,
    initial_norm: float,
) -> Judgement:
    def no(reason: Reason, before: float | None = None, after: float | None = None) -> Judgement:
        return Judgement(candidate.provider, False, False, reason, before, after)

    state = candidate.state
    if state is None:
        return no(candidate.fault or Reason.UNREADABLE)
    if {name: values.shape for name, values in state.items()} != {name: values.shape for name, values in base.items()}:
        return no(Reason.SHAPE)
    if not all(np.isfinite(values).all() for values in state.values()):
        return no(Reason.NOT_FINITE)
    update = difference(state, base)
    size = norm(update) / initial_norm
    if size < rules.min_norm:
        return no(Reason.NO_UPDATE)
    if not size <= rules.max_norm:
        return no(Reason.NORM)
    if any(cosine(update, other) > rules.duplicate_cosine for other in updates):
        return no(Reason.DUPLICATE)
    before, after = loss(model, base, candidate.shard), loss(model, state, candidate.shard)
    if not before - after > rules.min_loss_drop * before:
        return no(Reason.NO_WORK, before, after)
    return Judgement(candidate.provider, True, True, Reason.OK, before, after)


def _left_out(accepted: Sequence[Candidate], held_out: Shard, model: Trainer, rules: Validation) -> set[str]:
    """Providers without whom the average has a clearly lower loss on the held-out part; never all of them."""
    if len(accepted) < 2:
        return set()

    def average_loss(of: Sequence[Candidate]) -> float:
        states = [one.state for one in of if one.state is not None]
        return loss(model, fedavg(states, [len(one.shard) for one in of]), held_out)

    everyone = average_loss(accepted)
    without = {one.provider: average_loss([other for other in accepted if other is not one]) for one in accepted}
    harmful = {key for key, value in without.items() if everyone > value * (1 + rules.leave_one_out_tolerance)}
    if len(harmful) == len(accepted):
        harmful.discard(max(harmful, key=lambda key: without[key]))  # the one that is missed most stays
    return harmful
