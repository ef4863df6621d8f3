"""How an object lies in a file of the node store: its buffers as they are, and a small pickle that refers to them.

Pickle protocol 5 hands large buffers over instead of copying them, so an array, a dictionary of arrays or an
`xarray.Dataset` is written from the memory where it is, and read back as views of the mapped file.

Layout: magic (8 bytes), uint64 length of the header (LE), JSON header ``{"buffers": [[offset, size], ...]}``
with offsets from the end of the padded header, then the buffers, each aligned to 64 bytes (a cache line, and
what SIMD loads and zarr like). The first buffer is the pickle.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from typing import Any

from pilothouse.data.lazy import Pickler
from pilothouse.errors import InvalidInput, PilothouseError

MAGIC = b"PHREF\x00\x00\x01"
ALIGNMENT = 64
_HEAD = struct.Struct("<8sQ")


def _padding(size: int) -> int:
    return -size % ALIGNMENT


def encode(obj: Any, check: Callable[[int], None] = lambda _: None) -> list[memoryview]:
    """`obj` as pieces to be written one after the other; large buffers are not copied.

    Parameters
    ----------
    check
        Called with a number of bytes before so many are loaded for it, of what was opened lazily; it may raise.

    Raises
    ------
    InvalidInput
        `obj` can't be pickled, or does not hold its data (see :mod:`pilothouse.data.lazy`).
    """
    outside: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    try:
        Pickler(file, outside.append, check).dump(obj)
    except (pickle.PicklingError, TypeError, AttributeError, NotImplementedError, ValueError) as error:
        raise InvalidInput(
            f"obj of type {type(obj).__name__} can't be stored: {error}; give arrays, or objects made of them",
            field="obj",
        ) from error
    buffers = [file.getbuffer(), *(buffer.raw() for buffer in outside)]
    places: list[tuple[int, int]] = []
    at = 0
    for buffer in buffers:
        places.append((at, buffer.nbytes))
        at += buffer.nbytes + _padding(buffer.nbytes)
    text = json.dumps({"buffers": places}).encode()
    text += b" " * _padding(_HEAD.size + len(text))
    pieces = [memoryview(_HEAD.pack(MAGIC, len(text)) + text)]
    for buffer in buffers:
        pieces.append(buffer)
        if padding := _padding(buffer.nbytes):
            pieces.append(memoryview(bytes(padding)))
    return pieces


def dumps(obj: Any) -> bytes:
    """`obj` as bytes: the serialiser of a ProxyStore ``Store`` on the node store."""
    return b"".join(encode(obj))


def loads(data: Any, *, copy: bool = False) -> Any:
    """The object in `data`; its arrays are read-only views of `data`, or with `copy` writable and its own.

    Only for files of this user: it unpickles.

    Raises
    ------
    PilothouseError
        `data` is cut short, or was not written by :func:`encode`.
    """
    view = memoryview(data).toreadonly()
    try:
        magic, length = _HEAD.unpack_from(view)
        if magic != MAGIC:
            raise ValueError("it has another beginning")
        start = _HEAD.size + length
        places = json.loads(bytes(view[_HEAD.size : start]))["buffers"]
        buffers = [view[start + offset : start + offset + size] for offset, size in places]
        if any(part.nbytes != size for part, (_, size) in zip(buffers, places, strict=True)):
            raise ValueError("it is cut short")
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise PilothouseError(f"this is not an object of the node store: {error}", field="ref") from error
    outside = [bytearray(part) for part in buffers[1:]] if copy else buffers[1:]
    return pickle.loads(buffers[0], buffers=outside)  # noqa: S301 - a file of this user, mode 0600, never a party's
