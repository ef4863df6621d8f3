"""An object in a file: its pickle, and beside it its large buffers as they lie in memory.

Only for files of this user: reading one unpickles. Pickle protocol 5 hands arrays' buffers over instead of copying
them; they are written from where they lie, and read back into where they stay.

Layout: number of buffers, then the size of each, all uint64 (LE); then the buffers, each from a multiple of 64 bytes
on. The first one is the pickle.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import cloudpickle

#: What SIMD loads like.
ALIGNMENT = 64


def pieces(obj: Any) -> list[memoryview]:
    """`obj` as pieces to be written one after the other; large buffers are not copied.

    What can't be imported elsewhere, such as a function of a notebook, goes along with its code.
    """
    outside: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    cloudpickle.Pickler(file, protocol=5, buffer_callback=outside.append).dump(obj)
    buffers = [file.getbuffer(), *(buffer.raw() for buffer in outside)]
    sizes = [buffer.nbytes for buffer in buffers]
    found = [memoryview(struct.pack(f"<{len(sizes) + 1}Q", len(sizes), *sizes))]
    for buffer in buffers:
        found += [memoryview(bytes(-found[-1].nbytes % ALIGNMENT)), buffer]
    return found


def store(path: Path, obj: Any) -> None:
    """Write `obj` so that a reader sees it whole; the system's buffers are trusted to reach the disk."""
    parts, temporary = pieces(obj), path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.writelines(parts)
    temporary.replace(path)


def load(path: Path, *, mapped: bool = False) -> Any:
    """The object in a file.

    Parameters
    ----------
    mapped
        Its arrays are private views of the file: processes of one host that only read them have them in memory once,
        and who writes to one has the page for itself. The file must stay as it is meanwhile.
    """
    with path.open("rb") as file:
        if mapped:
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        else:
            data = bytearray(path.stat().st_size)
            file.readinto(data)
            view = memoryview(data)
    (count,) = struct.unpack_from("<Q", view)
    at = 8 * (count + 1)
    buffers = []
    for size in struct.unpack_from(f"<{count}Q", view, 8):
        at += -at % ALIGNMENT
        buffers.append(view[at : at + size])
        at += size
    return pickle.loads(buffers[0], buffers=buffers[1:])  # noqa: S301 - of this user, in a folder that is theirs alone
