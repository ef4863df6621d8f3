from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pilothouse.streams.messages import Corrupt
from pilothouse.streams.processors import kmeans
from pilothouse.streams.processors.kmeans import KMeans, choose, update
from pilothouse.streams.processors.kmeans_kernel import assign as compiled
from pilothouse.streams.sources.kmeans_random import KMeansRandom

PARAMETERS: dict[str, Any] = {"clusters": 7, "points": 1100, "dim": 3, "seed": 5, "decay": 0.9}


def blocks(n: int, **changed: Any) -> list[np.ndarray]:
    source = KMeansRandom(PARAMETERS | changed)
    return [source.payload(i) for i in range(n)]


def nearest(points: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance = ((points[:, None].astype(float) - centres[None].astype(float)) ** 2).sum(axis=2)
    return distance.argmin(axis=1), distance.min(axis=1)


def mllib(centres: np.ndarray, weights: np.ndarray, points: np.ndarray, decay: float) -> None:
    """``StreamingKMeansModel.update`` of Spark MLlib, time unit "batches", cluster by cluster."""
    labels, _ = nearest(points, centres.astype(np.float32))
    weights *= decay
    for j in range(len(centres)):
        batch = points[labels == j].astype(float)
        if len(batch):
            updated = weights[j] + len(batch)
            share = len(batch) / max(updated, 1e-16)
            weights[j] = updated
            centres[j] = (1 - share) * centres[j] + share / len(batch) * batch.sum(axis=0)
    largest, smallest = weights.argmax(), weights.argmin()
    if weights[smallest] < 1e-8 * weights[largest]:
        half = (weights[largest] + weights[smallest]) / 2
        weights[largest] = weights[smallest] = half
        x = centres[largest].copy()
        p = 1e-14 * np.maximum(abs(x), 1.0)
        centres[smallest], centres[largest] = x - p, x + p


@pytest.mark.parametrize("assign", [compiled, kmeans.assign], ids=["compiled", "plain"])
@pytest.mark.parametrize(("k", "dim", "points"), [(1, 1, 1), (10, 3, 5000), (33, 4, 257), (5, 9, 256), (100, 32, 1000)])
def test_assignment_equals_the_plain_definition(assign: Any, k: int, dim: int, points: int) -> None:
    rng = np.random.default_rng(k)
    data = rng.standard_normal((points, dim)).astype(np.float32)
    centres = rng.standard_normal((k, dim)).astype(np.float32)
    sums, counts = np.zeros((k, dim)), np.zeros(k, dtype=np.int64)
    cost = assign(data, centres, sums, counts)
    labels, distance = nearest(data, centres)
    assert np.array_equal(counts, np.bincount(labels, minlength=k))
    assert cost == pytest.approx(distance.sum(), rel=1e-5)
    expected = np.zeros((k, dim))
    np.add.at(expected, labels, data.astype(float))
    np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.95, 1.0])
def test_model_equals_the_rule_of_spark_mllib(decay: float) -> None:
    data = blocks(30)
    model = KMeans(PARAMETERS | {"decay": decay})
    model.assign = compiled
    centres, weights = choose(data[0], 7, 5), np.zeros(7)
    for block in data:
        model.process(block)
        mllib(centres, weights, block, decay)
    np.testing.assert_allclose(model.centres, centres, rtol=1e-10)
    np.testing.assert_allclose(model.weights, weights, rtol=1e-12)


def test_dying_cluster_takes_half_of_the_largest() -> None:
    centres = np.array([[0.0, 0.0], [1000.0, 1000.0]])
    weights = np.array([100.0, 1e-9])
    expected, expected_weights = centres.copy(), weights.copy()
    points = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    mllib(expected, expected_weights, points, 1.0)
    update(centres, weights, np.array([[4.0, 6.0], [0.0, 0.0]]), np.array([2, 0]), 1.0)
    np.testing.assert_array_equal(weights, expected_weights)
    np.testing.assert_allclose(centres, expected, rtol=1e-15)
    assert weights[0] == weights[1] == pytest.approx(51.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_model_finds_the_true_centres_and_cost_tends_to_dim(seed: int) -> None:
    parameters = PARAMETERS | {"clusters": 5, "points": 5000, "seed": seed}
    source = KMeansRandom(parameters)
    model = KMeans(parameters)
    costs = [model.process(source.payload(i)) for i in range(40)]
    _, distance = nearest(source.centres, model.centres)
    assert distance.max() < 0.05**2 * 3
    assert np.mean(costs[-10:]) == pytest.approx(3.0, rel=0.02)


def test_going_on_from_a_state_is_the_same_as_never_having_stopped() -> None:
    data = blocks(8)
    through, first = KMeans(PARAMETERS), KMeans(PARAMETERS)
    for block in data:
        through.process(block)
    for block in data[:4]:
        first.process(block)
    second = KMeans(PARAMETERS, first.state())
    for block in data[4:]:
        second.process(block)
    assert second.state() == through.state()


def test_merging_partitions_weighs_them() -> None:
    one, other = KMeans(PARAMETERS), KMeans(PARAMETERS)
    one.centres, one.weights = np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([30.0, 10.0])
    other.centres, other.weights = np.array([[10.0, 4.0], [1.0, 0.0]]), np.array([10.0, 10.0])
    merged = KMeans.merge(PARAMETERS, [one.state(), b"", other.state()])
    assert merged["centres"]["data"] == [[0.25, 0.0], [10.0, 2.0]]
    assert merged["weights"]["data"] == [40.0, 20.0]
    assert KMeans.merge(PARAMETERS, [b""]) == {}


def test_fewer_points_than_clusters_is_possible() -> None:
    model = KMeans(PARAMETERS | {"clusters": 7})
    for block in blocks(5, points=3):
        assert np.isfinite(model.process(block))
    assert np.isfinite(model.centres).all()


def test_foreign_state_is_refused() -> None:
    with pytest.raises(Corrupt):
        KMeans(PARAMETERS, b"KMS1" + bytes(100))


def test_source_is_a_function_of_seed_and_number() -> None:
    again = KMeansRandom(PARAMETERS)
    first, second, *_ = blocks(2)
    assert np.array_equal(again.payload(1), second)
    assert np.array_equal(again.payload(0), first)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, blocks(1, seed=6)[0])
    assert first.shape == (1100, 3)
    assert first.dtype == np.float32
    assert again.schema.nbytes == first.nbytes
