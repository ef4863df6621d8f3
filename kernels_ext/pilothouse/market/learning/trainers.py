"""Classifiers that can be trained by name, in NumPy: softmax regression and a perceptron with one hidden layer."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pilothouse.errors import InvalidInput
from pilothouse.market.learning.arrays import Floats, Shard, State
from pilothouse.market.messages.events import Training


class Interrupted(Exception):
    """The training was asked to stop."""


class Trainer(Protocol):
    """A model family: how it starts, learns, and is judged."""

    name: str

    def initial(self, training: Training, features: int, classes: int, seed: int) -> State:
        """The seeded weights that a customer publishes; everyone starts from these."""

    def logits(self, state: Mapping[str, Floats], x: Floats) -> Floats:
        """Scores, shape (n, classes), before the softmax."""

    def gradients(self, state: Mapping[str, Floats], x: Floats, y: npt.NDArray[np.int64]) -> State:
        """Gradient of the mean cross-entropy over the samples."""


class Softmax:
    """Multinomial logistic regression: arrays ``W`` (features, classes) and ``b`` (classes,)."""

    name = "softmax"

    def initial(self, training: Training, features: int, classes: int, seed: int) -> State:  # noqa: ARG002 - the protocol's: it has no layers to size
        """Random weights of variance 1 / features (all-zero ones have no norm to measure updates by)."""
        weights = np.random.default_rng(seed).standard_normal((features, classes)) / np.sqrt(features)
        return {"W": weights.astype(np.float32), "b": np.zeros(classes, np.float32)}

    def logits(self, state: Mapping[str, Floats], x: Floats) -> Floats:
        """``x W + b``."""
        scores: Floats = x @ state["W"] + state["b"]
        return scores

    def gradients(self, state: Mapping[str, Floats], x: Floats, y: npt.NDArray[np.int64]) -> State:
        """Of the mean cross-entropy."""
        error = _error(self.logits(state, x), y)
        return {"W": x.T @ error, "b": error.sum(axis=0)}


class MLP:
    """One hidden layer of ReLU: ``W1`` (features, hidden), ``b1``, ``W2`` (hidden, classes), ``b2``."""

    name = "mlp"

    def initial(self, training: Training, features: int, classes: int, seed: int) -> State:
        """Weights by He et al. (2015, arXiv:1502.01852), biases zero."""
        random = np.random.default_rng(seed)
        hidden = training.hidden
        first = random.standard_normal((features, hidden)) * np.sqrt(2 / features)
        second = random.standard_normal((hidden, classes)) * np.sqrt(2 / hidden)
        return {
            "W1": first.astype(np.float32),
            "b1": np.zeros(hidden, np.float32),
            "W2": second.astype(np.float32),
            "b2": np.zeros(classes, np.float32),
        }

    def logits(self, state: Mapping[str, Floats], x: Floats) -> Floats:
        """``relu(x W1 + b1) W2 + b2``."""
        scores: Floats = self._hidden(state, x) @ state["W2"] + state["b2"]
        return scores

    def gradients(self, state: Mapping[str, Floats], x: Floats, y: npt.NDArray[np.int64]) -> State:
        """Of the mean cross-entropy, by back-propagation."""
        hidden = self._hidden(state, x)
        error = _error(hidden @ state["W2"] + state["b2"], y)
        back = (error @ state["W2"].T) * (hidden > 0)
        return {"W1": x.T @ back, "b1": back.sum(axis=0), "W2": hidden.T @ error, "b2": error.sum(axis=0)}

    @staticmethod
    def _hidden(state: Mapping[str, Floats], x: Floats) -> Floats:
        hidden: Floats = np.maximum(x @ state["W1"] + state["b1"], np.float32(0))
        return hidden


TRAINERS: dict[str, Trainer] = {trainer.name: trainer for trainer in (MLP(), Softmax())}


def trainer(name: str) -> Trainer:
    """The trainer called `name`; :class:`InvalidInput` when there is none."""
    try:
        return TRAINERS[name]
    except KeyError:
        raise InvalidInput(f"trainer={name!r} is unknown: take one of {', '.join(TRAINERS)}", field="trainer") from None


def train(
    state: Mapping[str, Floats], shard: Shard, training: Training, seed: int, stop: threading.Event | None = None
) -> tuple[State, int]:
    """Minibatch stochastic gradient descent from `state`, reproducible by `seed`.

    Parameters
    ----------
    stop
        Looked at before each step.

    Returns
    -------
    State
        The new weights; `state` is left as it was.
    int
        Steps taken.

    Raises
    ------
    Interrupted
        `stop` was set.
    """
    model = trainer(training.trainer)
    random = np.random.default_rng(seed)
    now = {name: values.copy() for name, values in state.items()}
    rate = np.float32(training.learning_rate)
    steps = 0
    for _ in range(training.epochs):
        order = random.permutation(len(shard))
        for first in range(0, len(order), training.batch):
            if stop is not None and stop.is_set():
                raise Interrupted
            part = order[first : first + training.batch]
            for name, gradient in model.gradients(now, shard.x[part], shard.y[part]).items():
                now[name] -= rate * gradient
            steps += 1
    return now, steps


def loss(model: Trainer, state: Mapping[str, Floats], shard: Shard) -> float:
    """Mean cross-entropy in nats; infinite or NaN for states that are."""
    with np.errstate(all="ignore"):
        scores = model.logits(state, shard.x).astype(np.float64)
        scores -= scores.max(axis=1, keepdims=True)
        total = np.log(np.exp(scores).sum(axis=1))
        return float(np.mean(total - scores[np.arange(len(shard)), shard.y]))


def accuracy(model: Trainer, state: Mapping[str, Floats], shard: Shard) -> float:
    """Fraction of samples whose highest score is at their label."""
    return float(np.mean(model.logits(state, shard.x).argmax(axis=1) == shard.y))


def _error(scores: Floats, y: npt.NDArray[np.int64]) -> Floats:
    """Derivative of the mean cross-entropy by the scores: (softmax - one-hot) / n."""
    chance = np.exp(scores - scores.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    chance[np.arange(len(y)), y] -= 1
    error: Floats = chance / np.float32(len(y))
    return error
