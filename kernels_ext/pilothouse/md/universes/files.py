"""Trajectory files: what identifies one, and whether all that it promises is there."""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.errors import InvalidInput

#: Bytes at either end of a file that its digest covers.
_ENDS = 64 * 1024


@dataclass(frozen=True)
class FileStamp:
    """A file as it was when the run was launched.

    Attributes
    ----------
    path
        Absolute.
    size
        Bytes.
    modified
        Seconds since 1970.
    sha256
        Of the size and the first and last 64 KiB: the header, the first frame's beginning and the last one's end.
    """

    path: str
    size: int
    modified: int
    sha256: str

    @staticmethod
    def of(path: str | os.PathLike[str], *, field: str) -> FileStamp:
        """Look at the file.

        Raises
        ------
        InvalidInput
            There is no such file, or it can't be read from this host.
        """
        where = Path(path).absolute()
        try:
            with where.open("rb") as file:
                status = os.fstat(file.fileno())
                digest = hashlib.sha256(struct.pack("<Q", status.st_size))
                digest.update(file.read(_ENDS))
                file.seek(max(_ENDS, status.st_size - _ENDS))
                digest.update(file.read(_ENDS))
        except OSError as error:
            reason = error.strerror or str(error)
            raise InvalidInput(
                f"{field}: the file {where} can't be read here ({reason}); "
                "give a file that the pilot's nodes can read, under the same path",
                field=field,
            ) from None
        return FileStamp(str(where), status.st_size, int(status.st_mtime), digest.hexdigest())

    def check(self, *, field: str) -> None:
        """Raise :class:`InvalidInput` unless the file is still what it was."""
        now = FileStamp.of(self.path, field=field)
        if now != self:
            raise InvalidInput(
                f"{field}: the file {self.path} is not the one that was given (size {self.size} then, {now.size} now); "
                "it changed since, or this node sees another file under that path: launch again",
                field=field,
            )


def check_complete(reader: Any, *, field: str) -> list[str]:
    """Refuse a trajectory that promises more frames than it holds.

    MDAnalysis and mdtraj read what is there of a truncated file and say nothing. Here the file's size (DCD) and
    the last frame (other formats) are looked at. A DCD whose frames are all whole but fewer than its header says
    is what a simulation leaves that ended early (CHARMM writes the number it plans): that is a note, no error.

    Parameters
    ----------
    reader
        An MDAnalysis reader, a chain of files or a single one.
    field
        Parameter to name.

    Returns
    -------
    list of str
        What the user should know of files that can be used.

    Raises
    ------
    InvalidInput
        Frames are missing; the message says how many were promised and how many are there.
    """
    notes: list[str] = []
    for part in getattr(reader, "readers", [reader]):
        if not isinstance(getattr(part, "filename", None), (str, os.PathLike)):
            continue
        path = str(part.filename)
        try:
            n_frames = int(part.n_frames)
        except RuntimeError:
            raise InvalidInput(
                f"{field}: {path} is a stream, which has no end to wait for; write it to a file first", field=field
            ) from None
        if n_frames == 0:
            raise InvalidInput(f"{field}: the trajectory {path} has no frames", field=field)
        if part.format == "DCD":
            found = _dcd_promise(Path(path), n_frames, int(part.n_atoms))
            if found is None:
                notes.append(f"{path}: its header can't be followed, so it is not known whether frames are missing")
                continue
            promised, rest = found
            if rest:
                said = f"its header promises {promised} frames" if promised else "its header promises nothing"
                raise _truncated(field, path, f"ends within a frame, after {n_frames} whole ones ({said})")
            if promised not in (0, n_frames):
                notes.append(f"{path}: {n_frames} frames, all whole, where the header promises {promised}")
        elif n_frames > 1:
            copy = part.copy()
            try:
                copy[n_frames - 1]
            except (OSError, EOFError, ValueError, StopIteration) as error:
                raise _truncated(field, path, f"promises {n_frames} frames; the last can't be read: {error}") from None
            finally:
                copy.close()
    return notes


def _truncated(field: str, path: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"{field}: the trajectory {path} is truncated: it {what}; "
        "copy it again, or write the whole frames to a new file and give that",
        field=field,
    )


def _dcd_promise(path: Path, n_frames: int, n_atoms: int) -> tuple[int, int] | None:
    """Frames that a DCD's header promises (0: it says nothing), and bytes left over after the last whole frame.

    None where the header is not as it should be. Some programs write a length of the title that is not its own; its
    number of lines of 80 characters, which MDAnalysis goes by, counts then.
    """
    with path.open("rb") as file:
        head = file.read(92)
        order = "<" if struct.unpack_from("<i", head)[0] == 84 else ">"
        control = struct.unpack_from(f"{order}20i", head, 8)
        length, lines = struct.unpack(f"{order}2i", file.read(8))
        title = file.tell() - 4
        for size_of_title in (4 + 80 * lines, length):
            file.seek(title + max(size_of_title, 0) + 4)
            if file.read(12) == struct.pack(f"{order}3i", 4, n_atoms, 4):
                break
        else:
            return None
        fixed = control[8]
        if fixed:
            file.seek(4 * (n_atoms - fixed) + 8, os.SEEK_CUR)
        start = file.tell()
        size = file.seek(0, os.SEEK_END)
    is_charmm = control[19] != 0
    cell = 56 if is_charmm and control[10] else 0
    blocks = 4 if is_charmm and control[11] else 3
    first = cell + blocks * (4 * n_atoms + 8)
    later = cell + blocks * (4 * (n_atoms - fixed) + 8)
    return control[0], size - start - first - (n_frames - 1) * later
