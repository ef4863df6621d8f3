"""A model's state is a dict of named arrays; it travels as safetensors, data as npz without pickle.

Neither format can carry code. Both readers check what they read before anyone computes with it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.errors import Untrusted

Floats = npt.NDArray[np.float32]
#: Named arrays, float32.
State = dict[str, Floats]


def pack_state(state: Mapping[str, Floats]) -> bytes:
    """The state as safetensors bytes, names sorted, so that equal states have equal bytes and hashes."""
    from safetensors.numpy import save

    return bytes(save({name: np.ascontiguousarray(state[name], dtype=np.float32) for name in sorted(state)}))


def unpack_state(data: bytes) -> State:
    """The state in safetensors bytes.

    Raises
    ------
    Untrusted
        The bytes are no safetensors, or an array is not float32.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        state = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Untrusted(f"the model is no safetensors file: {error}", field="model") from None
    for name, values in state.items():
        if values.dtype != np.float32:
            raise Untrusted(f"array {name!r} is {values.dtype}, not float32", field="model")
    return dict(state)


@dataclass(frozen=True)
class Shard:
    """Labelled samples.

    Attributes
    ----------
    x
        Shape (n, features), float32.
    y
        Shape (n,), int64, classes 0, 1, …
    """

    x: Floats
    y: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


def pack_shard(shard: Shard) -> bytes:
    """The samples as compressed npz bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=shard.x, y=shard.y)
    return buffer.getvalue()


def unpack_shard(data: bytes, *, max_bytes: int = 2**30) -> Shard:
    """The samples in npz bytes.

    Raises
    ------
    Untrusted
        The bytes are no npz, hold objects, other arrays, non-finite values, or unpack to over `max_bytes`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > max_bytes:
                raise Untrusted(f"the shard unpacks to more than {max_bytes} bytes", field="shard")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            x, y = arrays["x"], arrays["y"]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise Untrusted(f"the shard is no npz of arrays x and y: {error}", field="shard") from None
    good = x.ndim == 2 and x.dtype == np.float32 and y.shape == x.shape[:1] and y.dtype == np.int64
    if not good or len(y) == 0 or not np.isfinite(x).all() or y.min() < 0:
        raise Untrusted("the shard does not hold finite x (n, features) float32 and y (n,) int64 >= 0", field="shard")
    return Shard(x, y)


def norm(state: Mapping[str, Floats]) -> float:
    """Euclidean norm over all arrays."""
    return float(np.sqrt(sum(float(np.sum(np.square(values, dtype=np.float64))) for values in state.values())))


def difference(after: Mapping[str, Floats], before: Mapping[str, Floats]) -> State:
    """`after` - `before`, array by array."""
    return {name: after[name] - before[name] for name in before}


def cosine(one: Mapping[str, Floats], other: Mapping[str, Floats]) -> float:
    """Cosine of the angle between two states seen as vectors; 0 when one is zero."""
    product = sum(float(np.vdot(one[name].astype(np.float64), other[name].astype(np.float64))) for name in one)
    length = norm(one) * norm(other)
    return product / length if length else 0.0
