"""What the customer finds out about a result, on its own data."""

from __future__ import annotations

import numpy as np
import pytest

from pilothouse.market.learning import arrays, datasets, trainers
from pilothouse.market.learning.arrays import Shard, State
from pilothouse.market.learning.verdicts import Candidate, Judgement, Reason, judge
from pilothouse.market.messages.events import Training, Validation

TRAINING = Training()
MODEL = trainers.MLP()


@pytest.fixture(scope="module")
def shards() -> tuple[Shard, list[Shard]]:
    digits = datasets.named("digits")
    held_out, *parts = datasets.split(digits.y, 3, seed=1, held_out=0.2)
    scale = datasets.Scaling.of(digits.x[np.concatenate(parts)])
    cut = [Shard(scale(digits.x[part]), digits.y[part]) for part in (held_out, *parts)]
    return cut[0], cut[1:]


@pytest.fixture(scope="module")
def base() -> State:
    return MODEL.initial(TRAINING, 64, 10, seed=0)


def honest(base: State, shards: tuple[Shard, list[Shard]]) -> list[Candidate]:
    return [
        Candidate(f"{i}", trainers.train(base, shard, TRAINING, seed=i)[0], shard) for i, shard in enumerate(shards[1])
    ]


def verdicts(candidates: list[Candidate], base: State, shards: tuple[Shard, list[Shard]]) -> list[Judgement]:
    return judge(candidates, base, shards[0], MODEL, Validation(), arrays.norm(base))


def test_honest_work_is_accepted_and_included(base: State, shards: tuple[Shard, list[Shard]]) -> None:
    found = verdicts(honest(base, shards), base, shards)
    assert [(one.accepted, one.included, one.reason) for one in found] == [(True, True, Reason.OK)] * 3
    assert all(one.loss_after < one.loss_before for one in found if one.loss_after and one.loss_before)


def changed(state: State, how: str, base: State) -> State:
    random = np.random.default_rng(0)
    if how == "renamed":
        return {"x" + name: values for name, values in state.items()}
    if how == "cut":
        return {name: values[:1] for name, values in state.items()}
    if how == "nan":
        return {**state, "b2": np.full(10, np.nan, np.float32)}
    if how == "lazy":
        return {name: values.copy() for name, values in base.items()}
    if how == "huge":
        return {name: values * np.float32(100) for name, values in state.items()}
    if how == "noise":
        return {n: v + random.normal(scale=0.2, size=v.shape).astype(np.float32) for n, v in base.items()}
    if how == "flipped":
        return {name: 2 * base[name] - values for name, values in state.items()}
    raise AssertionError(how)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("renamed", Reason.SHAPE),
        ("cut", Reason.SHAPE),
        ("nan", Reason.NOT_FINITE),
        ("lazy", Reason.NO_UPDATE),
        ("huge", Reason.NORM),
        ("noise", Reason.NO_WORK),
        ("flipped", Reason.NO_WORK),
    ],
)
def test_bad_result_is_rejected_with_its_reason_and_the_others_are_not(
    base: State, shards: tuple[Shard, list[Shard]], how: str, reason: Reason
) -> None:
    candidates = honest(base, shards)
    bad = candidates[1]
    assert bad.state is not None
    candidates[1] = Candidate(bad.provider, changed(bad.state, how, base), bad.shard)
    found = verdicts(candidates, base, shards)
    assert [one.reason for one in found] == [Reason.OK, reason, Reason.OK]
    assert [one.accepted for one in found] == [one.included for one in found] == [True, False, True]


def test_copy_of_anothers_work_is_rejected(base: State, shards: tuple[Shard, list[Shard]]) -> None:
    candidates = honest(base, shards)
    candidates[2] = Candidate("2", candidates[0].state, candidates[2].shard)
    assert [one.reason for one in verdicts(candidates, base, shards)] == [Reason.OK, Reason.OK, Reason.DUPLICATE]


def test_missing_result_keeps_the_fault_that_was_found(base: State, shards: tuple[Shard, list[Shard]]) -> None:
    candidates = [*honest(base, shards)[:2], Candidate("2", None, shards[1][2], Reason.LATE)]
    found = verdicts(candidates, base, shards)
    assert [one.reason for one in found] == [Reason.OK, Reason.OK, Reason.LATE]


def test_work_that_spoils_the_average_is_paid_but_left_out(base: State, shards: tuple[Shard, list[Shard]]) -> None:
    """Trained on its own shard with shifted labels: the loss there falls, the held-out loss does not."""
    candidates = honest(base, shards)
    shard = shards[1][0]
    wrong = Shard(shard.x, (shard.y + 1) % 10)
    candidates[0] = Candidate("0", trainers.train(base, wrong, TRAINING, seed=0)[0], wrong)
    found = verdicts(candidates, base, shards)
    assert (found[0].accepted, found[0].included, found[0].reason) == (True, False, Reason.LEFT_OUT)
    assert [one.included for one in found[1:]] == [True, True]
