from __future__ import annotations

import numpy as np
import pytest

from pilothouse.streams.messages import HEADER, Corrupt, Header, Schema, pack, unpack

SCHEMA = Schema("<f4", (50, 3))
PAYLOAD = np.arange(150, dtype=np.float32).reshape(50, 3)
HEAD = Header(bytes(range(16)), 2**40, 3, SCHEMA.id, 1_700_000_000_000_000_000, 1_700_000_000_000_000_009, 600)


def view(array: np.ndarray) -> memoryview:
    return memoryview(array.tobytes())


def test_header_is_64_bytes_and_comes_back() -> None:
    head = pack(HEAD, PAYLOAD)
    assert len(head) == HEADER.size == 64
    assert unpack(head, view(PAYLOAD)) == HEAD


@pytest.mark.parametrize("position", range(64))
def test_any_damaged_header_byte_is_noticed(position: int) -> None:
    head = bytearray(pack(HEAD, PAYLOAD))
    head[position] ^= 0x10
    with pytest.raises(Corrupt):
        unpack(bytes(head), view(PAYLOAD))


@pytest.mark.parametrize("position", [0, 299, 599])
def test_any_damaged_payload_byte_is_noticed(position: int) -> None:
    damaged = bytearray(PAYLOAD.tobytes())
    damaged[position] ^= 1
    with pytest.raises(Corrupt, match="damaged"):
        unpack(pack(HEAD, PAYLOAD), memoryview(bytes(damaged)))


def test_a_truncated_payload_or_header_is_noticed() -> None:
    with pytest.raises(Corrupt, match="600 bytes"):
        unpack(pack(HEAD, PAYLOAD), view(PAYLOAD)[:-4])
    with pytest.raises(Corrupt, match="64 bytes"):
        unpack(pack(HEAD, PAYLOAD)[:-1], view(PAYLOAD))


def test_decode_views_the_payload_without_copying() -> None:
    payload = view(PAYLOAD)
    array = SCHEMA.decode(HEAD, payload)
    assert np.array_equal(array, PAYLOAD)
    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(payload, np.uint8))


def test_an_unaligned_payload_is_made_usable() -> None:
    shifted = memoryview(b"x" + PAYLOAD.tobytes())[1:]
    array = SCHEMA.decode(HEAD, shifted)
    assert array.flags.aligned
    assert np.array_equal(array, PAYLOAD)


def test_another_schema_is_refused() -> None:
    for other in (Schema("<f4", (3, 50)), Schema("<i4", (50, 3)), Schema("<f8", (50, 3))):
        assert other.id != SCHEMA.id
        with pytest.raises(Corrupt, match="schema"):
            other.decode(HEAD, view(PAYLOAD))
