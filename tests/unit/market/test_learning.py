"""Arrays on the wire, averaging and splitting."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest

from pilothouse.errors import InvalidInput, Untrusted
from pilothouse.market.learning import arrays, averaging, datasets, trainers
from pilothouse.market.messages.events import Training


def test_state_survives_safetensors_and_equal_states_have_equal_bytes() -> None:
    state = {"b": np.arange(3, dtype=np.float32), "a": np.ones((2, 2), np.float32)}
    packed = arrays.pack_state(state)
    assert packed == arrays.pack_state(dict(reversed(state.items())))
    back = arrays.unpack_state(packed)
    assert set(back) == {"a", "b"}
    np.testing.assert_array_equal(back["a"], state["a"])


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04K\x01.", b"\xff" * 64, arrays.pack_state({"a": np.ones(9, np.float32)})[:-5]]
)
def test_bytes_that_are_no_safetensors_are_untrusted(data: bytes) -> None:
    with pytest.raises(Untrusted, match="safetensors"):
        arrays.unpack_state(data)


def test_arrays_of_another_type_are_untrusted() -> None:
    from safetensors.numpy import save

    with pytest.raises(Untrusted, match="float64"):
        arrays.unpack_state(save({"a": np.ones(2)}))


def test_bfloat16_arrays_are_untrusted() -> None:
    head = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    with pytest.raises(Untrusted):
        arrays.unpack_state(len(head).to_bytes(8, "little") + head + b"\0\0")


def test_shard_survives_npz() -> None:
    shard = arrays.Shard(np.ones((3, 2), np.float32), np.array([0, 1, 0]))
    back = arrays.unpack_shard(arrays.pack_shard(shard))
    np.testing.assert_array_equal(back.x, shard.x)
    np.testing.assert_array_equal(back.y, shard.y)


def npz(**values: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **values)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"PK",
        npz(x=np.ones((2, 2), np.float32)),
        npz(x=np.array([object()], dtype=object), y=np.zeros(1, np.int64)),  # would need pickle
        npz(x=np.full((2, 2), np.nan, np.float32), y=np.zeros(2, np.int64)),
        npz(x=np.ones((2, 2), np.float32), y=np.array([0, -1])),
        npz(x=np.ones((2, 2), np.float32), y=np.zeros(3, np.int64)),
    ],
)
def test_shards_that_cannot_be_trained_on_are_untrusted(data: bytes) -> None:
    with pytest.raises(Untrusted, match="shard"):
        arrays.unpack_shard(data)


def test_shard_that_would_unpack_to_too_much_is_untrusted_before_it_is_unpacked() -> None:
    bomb = io.BytesIO()
    np.savez_compressed(bomb, x=np.zeros((1000, 1000), np.float32), y=np.zeros(1000, np.int64))
    with pytest.raises(Untrusted, match="more than"):
        arrays.unpack_shard(bomb.getvalue(), max_bytes=100_000)


def test_fedavg_is_the_mean_weighted_by_samples() -> None:
    mean = averaging.fedavg([{"w": np.float32([0, 4])}, {"w": np.float32([4, 0])}], [3, 1])
    np.testing.assert_allclose(mean["w"], [1, 3])
    assert mean["w"].dtype == np.float32
    with pytest.raises(ValueError, match="positive"):
        averaging.fedavg([{"w": np.float32([1])}], [0])


def test_split_is_seeded_stratified_and_complete() -> None:
    y = np.repeat([0, 1, 2], [60, 30, 10])
    held_out, *shards = datasets.split(y, 3, seed=7, held_out=0.2)
    everything = np.sort(np.concatenate([held_out, *shards]))
    np.testing.assert_array_equal(everything, np.arange(100))
    np.testing.assert_array_equal(np.bincount(y[held_out]), [12, 6, 2])
    for shard in shards:
        np.testing.assert_allclose(np.bincount(y[shard]), [16, 8, 8 / 3], atol=1)
    again = datasets.split(y, 3, seed=7, held_out=0.2)
    assert all((one == other).all() for one, other in zip([held_out, *shards], again, strict=True))
    assert not np.array_equal(np.sort(shards[0]), np.sort(datasets.split(y, 3, seed=8, held_out=0.2)[1]))


def test_scaling_leaves_a_constant_feature_finite() -> None:
    x = np.array([[1, 5], [3, 5]], np.float32)
    np.testing.assert_allclose(datasets.Scaling.of(x)(x), [[-1, 0], [1, 0]])


X, Y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3


@pytest.mark.parametrize(
    "data",
    [
        None,
        (X,),
        (X, Y[:-1]),
        (X[:, 0], Y),
        (X, Y + 0.5),
        (X, Y - 1),
        (X, np.zeros(30, int)),
        (X[:10], Y[:10]),
        (np.where(X > 1, np.inf, X), Y),
        ([["a", "b"]] * 30, Y),
    ],
)
def test_data_that_cannot_be_learnt_from_is_named(data: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        datasets.checked(data)
    assert caught.value.field == "data"


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="digits"):
        datasets.named("mnist")
    with pytest.raises(InvalidInput, match="mlp, softmax"):
        trainers.trainer("gpt")


def test_training_ends_when_it_is_asked_to() -> None:
    shard = arrays.Shard(X.astype(np.float32), Y)
    training = Training(epochs=1000, hidden=8)
    state = trainers.MLP().initial(training, 4, 3, seed=0)
    stop = threading.Event()
    stop.set()
    with pytest.raises(trainers.Interrupted):
        trainers.train(state, shard, training, 0, stop)


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    digits = datasets.named("digits")
    np.testing.assert_array_equal(digits.x, x)
    np.testing.assert_array_equal(digits.y, y)
