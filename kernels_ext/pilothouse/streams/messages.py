"""The message: a 64-byte binary header and a payload that is the memory of one array, nothing more.

No text, no pickle: a payload is decoded by viewing its bytes, so it costs the same at any size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import numpy.typing as npt

from pilothouse.errors import PilothouseError

#: magic, version, payload kind (0: inline), flags, run, seq, partition, schema, intended, created, size, CRC-32C.
HEADER = struct.Struct("<4sHBB16sQIIqqII")
MAGIC = b"PHSM"
VERSION = 1
_CRC_AT = HEADER.size - 4


class Corrupt(PilothouseError):
    """A message that is not what its header promises: wrong checksum, size, version or schema."""

    code = "corrupt"


class Header(NamedTuple):
    """What a message says of itself.

    Attributes
    ----------
    run
        16 bytes that tell this run's messages from any other's.
    seq
        Sequence number within the run, from 0, over all producers.
    partition, schema
        Where it was put, and the :attr:`Schema.id` of its payload.
    intended, created
        When the schedule wanted it sent, and when it was made; ns since 1970 on the node's clock.
        Latency counts from `intended`, so a producer that falls behind can't hide it.
    size
        Bytes of the payload.
    """

    run: bytes
    seq: int
    partition: int
    schema: int
    intended: int
    created: int
    size: int


def pack(header: Header, payload: Any) -> bytes:
    """The 64 bytes in front of `payload` (a C-contiguous array or bytes): header and CRC-32C over both."""
    head = HEADER.pack(
        MAGIC, VERSION, 0, 0, header.run, header.seq, header.partition, header.schema,
        header.intended, header.created, header.size, 0,
    )[:_CRC_AT]  # fmt: skip
    crc: int = google_crc32c.extend(google_crc32c.value(payload), head)
    return head + crc.to_bytes(4, "little")


def unpack(head: Any, payload: memoryview) -> Header:
    """The header in `head`, once it and `payload` (which is not copied) proved to be what was packed.

    Raises
    ------
    Corrupt
        The magic, version, size or checksum is wrong.
    """
    if len(head) != HEADER.size:
        raise Corrupt(f"a message header has {HEADER.size} bytes, this one {len(head)}")
    magic, version, kind, _, run, seq, partition, schema, intended, created, size, crc = HEADER.unpack(head)
    if magic != MAGIC or version != VERSION or kind:
        raise Corrupt(f"not a version {VERSION} message: magic {magic!r}, version {version}, kind {kind}")
    if size != len(payload):
        raise Corrupt(f"message {seq} should have {size} bytes and has {len(payload)}")
    # The C function refuses memoryviews; an array that views one has what it asks for.
    found = google_crc32c.extend(google_crc32c.value(np.frombuffer(payload, np.uint8)), bytes(head[:_CRC_AT]))
    if found != crc:
        raise Corrupt(f"message {seq} is damaged: its checksum is {found:08x}, it should be {crc:08x}")
    return Header(run, seq, partition, schema, intended, created, size)


@dataclass(frozen=True)
class Schema:
    """What a payload is: the type and the shape of one C-ordered array.

    Examples
    --------
    >>> Schema("<f4", (5000, 3)).nbytes
    60000
    """

    dtype: str
    shape: tuple[int, ...]

    @cached_property
    def nbytes(self) -> int:
        """Bytes of a payload."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    @cached_property
    def id(self) -> int:
        """A 32-bit number that stands for this schema in every header."""
        text = f"{np.dtype(self.dtype).str}{self.shape}C"
        return int(google_crc32c.value(text.encode()))

    def decode(self, header: Header, payload: memoryview) -> npt.NDArray[Any]:
        """`payload` as an array: a read-only view, valid as long as the payload is.

        Raises
        ------
        Corrupt
            The message has another schema.
        """
        if header.schema != self.id or header.size != self.nbytes:
            raise Corrupt(f"message {header.seq} has schema {header.schema:08x}, not {self.id:08x} ({self})")
        array: npt.NDArray[Any] = np.frombuffer(payload, self.dtype).reshape(self.shape)
        array.flags.writeable = False
        # LMDB aligns payloads larger than a page; only small ones may need the copy.
        return array if array.flags.aligned else array.copy()
