"""Every trainer keeps the trainers' protocol."""

from __future__ import annotations

import numpy as np
import pytest

from pilothouse.market.learning import arrays, datasets, trainers
from pilothouse.market.learning.trainers import TRAINERS, Trainer
from pilothouse.market.messages.events import Training

FEATURES, CLASSES = 5, 3


@pytest.fixture(params=sorted(TRAINERS))
def trainer(request: pytest.FixtureRequest) -> Trainer:
    return TRAINERS[request.param]


@pytest.fixture
def training(trainer: Trainer) -> Training:
    return Training.model_validate({"trainer": trainer.name, "hidden": 7, "epochs": 2, "batch": 8})


@pytest.fixture
def shard() -> arrays.Shard:
    random = np.random.default_rng(1)
    y = np.arange(60) % CLASSES
    x = random.normal(size=(60, FEATURES)) + 2 * np.eye(CLASSES, FEATURES)[y]
    return arrays.Shard(x.astype(np.float32), y)


def test_initial_weights_are_float32_reproducible_and_not_zero(trainer: Trainer, training: Training) -> None:
    one = trainer.initial(training, FEATURES, CLASSES, seed=3)
    other = trainer.initial(training, FEATURES, CLASSES, seed=3)
    assert arrays.pack_state(one) == arrays.pack_state(other)
    assert arrays.norm(one) > 0
    assert all(values.dtype == np.float32 for values in one.values())
    assert arrays.pack_state(one) != arrays.pack_state(trainer.initial(training, FEATURES, CLASSES, seed=4))


def test_gradients_are_those_of_the_loss(trainer: Trainer, training: Training, shard: arrays.Shard) -> None:
    """Against central differences, along random directions."""
    state = trainer.initial(training, FEATURES, CLASSES, seed=3)
    gradient = trainer.gradients(state, shard.x, shard.y)
    random = np.random.default_rng(5)
    for name in state:
        direction = random.normal(size=state[name].shape).astype(np.float32)
        step = np.float32(1e-2)
        ahead = trainers.loss(trainer, {**state, name: state[name] + step * direction}, shard)
        behind = trainers.loss(trainer, {**state, name: state[name] - step * direction}, shard)
        expected = float(np.vdot(gradient[name], direction))
        assert (ahead - behind) / (2 * float(step)) == pytest.approx(expected, rel=0.02, abs=2e-4)


def test_training_lowers_the_loss_reproducibly_and_leaves_its_start_alone(
    trainer: Trainer, training: Training, shard: arrays.Shard
) -> None:
    start = trainer.initial(training, FEATURES, CLASSES, seed=3)
    before = arrays.pack_state(start)
    trained, steps = trainers.train(start, shard, training, seed=9)
    assert arrays.pack_state(start) == before
    assert steps == 2 * 8
    assert trainers.loss(trainer, trained, shard) < trainers.loss(trainer, start, shard)
    assert arrays.pack_state(trained) == arrays.pack_state(trainers.train(start, shard, training, seed=9)[0])


def test_digits_are_learnt(trainer: Trainer, training: Training) -> None:
    digits = datasets.named("digits")
    held_out, rest = datasets.split(digits.y, 1, seed=0, held_out=0.2)
    scale = datasets.Scaling.of(digits.x[rest])
    learnt = arrays.Shard(scale(digits.x[rest]), digits.y[rest])
    full = training.model_copy(update={"hidden": 64, "epochs": 5, "batch": 10})
    state, _ = trainers.train(trainer.initial(full, 64, 10, seed=0), learnt, full, seed=0)
    test = arrays.Shard(scale(digits.x[held_out]), digits.y[held_out])
    assert trainers.accuracy(trainer, state, test) > 0.92
