"""The node store: files in the memory of one node (tmpfs) that belong to a pilot and end with it.

A pilot has a folder there, mode 0700; an object is a file of mode 0600 in it, written under a temporary name
and renamed, read by mapping it. The supervisor removes the folder with the pilot. Should it be killed, the folder
stays for the pilot's recovery; once the lease is over, whoever writes next removes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import mmap
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
import weakref
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pilothouse.errors import Conflict, InvalidInput, NotFound, Unavailable
from pilothouse.registry.folders import LEFTOVERS
from pilothouse.registry.liveness import is_alive
from pilothouse.registry.records import PILOTS, ProcessRef
from pilothouse.registry.states import has_ended
from pilothouse.state import check_name, home, make_private, write_atomic

_PLACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}\.[0-9a-f]{16}")
_ID = re.compile(r"[0-9a-f]{32}")
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.(?P<pid>[0-9]{1,10})")

#: Seconds without a change after which a half-written file of a process that is gone is nobody's.
LEFT_S = 60.0
#: What is left free for everybody else: this part of the file system and of the memory.
RESERVE = 0.05


def this_host() -> str:
    """The name of this node in references."""
    return socket.gethostname()


def root() -> Path:
    """The user's folder on this node: ``$PILOTHOUSE_STORE``, else in ``/dev/shm``, else in the temporary folder.

    Raises
    ------
    Unavailable
        Somebody else made it, or can look into it.
    """
    chosen = os.environ.get("PILOTHOUSE_STORE")
    if chosen:
        path = Path(chosen)
    else:
        shared = Path("/dev/shm")  # noqa: S108 - a private folder below it, checked to be ours
        base = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        path = base / f"pilothouse-{os.getuid()}"
    make_private(path)
    found = path.lstat()
    if not chosen and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        path.chmod(0o700)  # of an earlier version: others could look into it, and put nothing there
        found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Unavailable(
            f"{path} is not a private folder of yours; set PILOTHOUSE_STORE to a folder of mode 0700 on this node"
        )
    return path


def place_of(pilot: str) -> str:
    """The name of the pilot's folder: another pilot that gets the same name later has another one.

    Raises
    ------
    NotFound
        There is no such pilot.
    Conflict
        It has ended.
    """
    record = _record(pilot)
    try:
        found = json.loads(record.read_bytes())
        created, state = found["created"], found["state"]
    except FileNotFoundError:
        raise NotFound(f"there is no pilot called {pilot!r}", field="pilot") from None
    if has_ended(state):
        raise Conflict(f"the pilot {pilot!r} is {state}: it can hold no data any more; take another", field="pilot")
    return _place(record, created)


def _record(pilot: str) -> Path:
    return home() / "pilots" / f"{check_name(pilot, field='pilot')}.json"


def _place(record: Path, created: str) -> str:
    digest = hashlib.sha256(f"{record} {created}".encode()).hexdigest()
    return f"{record.stem}.{digest[:16]}"


class NodeStore:
    """The files of one pilot on this node.

    Parameters
    ----------
    place
        The name of the pilot's folder, from :func:`place_of`.
    """

    def __init__(self, place: str) -> None:
        if not _PLACE.fullmatch(place):
            raise InvalidInput(f"place={place!r} is not a folder of a node store", field="place")
        self.place = place
        self.folder = root() / place

    def create(self) -> None:
        """Make the folder, note whose it is, and ask the pilot to remove it at its end (its file ``leftovers``).

        Raises
        ------
        NotFound, Conflict
            The pilot has ended.
        """
        if not (self.folder / "owner.json").exists():
            pilot = self.place.partition(".")[0]
            if place_of(pilot) != self.place:
                raise self._gone()
            self.folder.mkdir(mode=0o700, exist_ok=True)
            record = _record(pilot)
            with (PILOTS.folder(record.stem) / LEFTOVERS).open("a") as leftovers:
                leftovers.write(f"{self.folder}\n")
            write_atomic(self.folder / "owner.json", json.dumps({"record": str(record)}).encode())

    def write(self, pieces: Sequence[memoryview | bytes], id: str | None = None) -> str:  # noqa: A002
        """Write `pieces` one after the other as a new file, whole or not at all, and return its id (32 hex digits).

        Raises
        ------
        Unavailable
            There is not enough room; nothing is left of the attempt.
        NotFound
            The folder is gone: its pilot has ended.
        """
        name = _check_id(id or secrets.token_hex(16))
        size = sum(memoryview(piece).nbytes for piece in pieces)
        check_room(size)
        temporary = self.folder / f".{name}.{os.getpid()}"
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            raise self._gone() from None
        try:
            try:
                if size:
                    os.posix_fallocate(descriptor, 0, size)  # reserve it: a full tmpfs must not end a writer half-way
                for piece in pieces:
                    _write_all(descriptor, memoryview(piece).cast("B"))
            finally:
                os.close(descriptor)
            os.rename(temporary, self.folder / name)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM):
                raise _no_room(size, shutil.disk_usage(self.folder.parent).free) from error
            raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return name

    def read(self, id: str) -> memoryview:  # noqa: A002
        """The file's content, mapped and read-only: it costs address space, not a copy.

        Raises
        ------
        NotFound
            There is none (any more).
        Unavailable
            The file is not a private file of this user.
        """
        try:
            descriptor = os.open(self.folder / _check_id(id), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self._gone(id) from None
        try:
            found = os.fstat(descriptor)
            if found.st_uid != os.getuid() or found.st_mode & 0o077 or not stat.S_ISREG(found.st_mode):
                raise Unavailable(f"the object {id} is not a private file of yours, so it is not read", field="ref")
            if not found.st_size:
                return memoryview(b"")
            return _mapped(descriptor, found.st_size)
        finally:
            os.close(descriptor)

    def exists(self, id: str) -> bool:  # noqa: A002
        """Whether the object is there."""
        return (self.folder / _check_id(id)).is_file()

    def evict(self, id: str) -> None:  # noqa: A002
        """Remove the object; no error when it is gone already. Views of it that exist stay good."""
        (self.folder / _check_id(id)).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the folder with everything in it; idempotent."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _gone(self, id: str | None = None) -> NotFound:  # noqa: A002
        pilot = self.place.partition(".")[0]
        if not self.folder.is_dir():
            return NotFound(
                f"the pilot {pilot!r} has no data on this node: it has ended, or never had any", field="ref"
            )
        return NotFound(f"the pilot {pilot!r} has no object {id} on this node: it was evicted", field="ref")


def sweep() -> list[str]:
    """Remove what pilots left that have ended, or are lost and their lease is over; the pilots' names.

    What a killed writer of a live pilot left goes, too.
    """
    swept = []
    for folder in root().iterdir():
        if not _PLACE.fullmatch(folder.name):
            continue
        if not _alive(folder):
            shutil.rmtree(folder, ignore_errors=True)
            swept.append(folder.name.partition(".")[0])
            continue
        for path in folder.glob(".*"):
            with contextlib.suppress(FileNotFoundError):
                if (found := _TEMPORARY.fullmatch(path.name)) and _is_left(path, int(found["pid"])):
                    path.unlink()
    return sorted(swept)


def _is_left(path: Path, pid: int) -> bool:
    """Whether nobody writes this file any more. A process that is not seen may be one of another container."""
    from pilothouse import remains

    return not remains.lives(pid) and time.time() - path.stat().st_mtime > LEFT_S


def report() -> list[dict[str, Any]]:
    """What lies in the store of this node: ``pilot``, ``objects`` and ``size`` (bytes, with what is being written)."""
    found = []
    for folder in sorted(root().iterdir()):
        if _PLACE.fullmatch(folder.name):
            sizes = dict(_sizes(folder))
            objects = sum(_ID.fullmatch(name) is not None for name in sizes)
            found.append({"pilot": folder.name.partition(".")[0], "objects": objects, "size": sum(sizes.values())})
    return found


def _sizes(folder: Path) -> Iterable[tuple[str, int]]:
    for path in folder.iterdir():
        if _ID.fullmatch(path.name) or _TEMPORARY.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):
                yield path.name, path.stat().st_size


def _alive(folder: Path) -> bool:
    """Whether the pilot of `folder` may still need it: when in doubt, it does."""
    try:
        owner = json.loads((folder / "owner.json").read_bytes())
        record = Path(owner["record"])
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime < 60  # another process is making it at this moment
    except (OSError, ValueError, KeyError, TypeError):
        return False
    try:
        pilot = json.loads(record.read_bytes())
        state, lease_end = pilot["state"], pilot.get("lease_end")
        lasts = lease_end is not None and datetime.fromisoformat(lease_end) > datetime.now(UTC)
        supervisor = pilot["supervisor"] and ProcessRef.model_validate(pilot["supervisor"])
        if folder.name != _place(record, pilot["created"]):
            return False  # a younger pilot of the same name
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True
    if state == "lost":
        return lasts  # it may be recovered
    if has_ended(state):
        return False
    return lasts or supervisor is None or supervisor.host != this_host() or is_alive(supervisor)


def _check_id(id: str) -> str:  # noqa: A002
    if not _ID.fullmatch(id):
        raise InvalidInput(f"id={id!r} is not the id of an object: 32 hexadecimal digits", field="id")
    return id


def check_room(size: int) -> None:
    """Refuse (:class:`Unavailable`) an object of `size` bytes that has no room on this node."""
    import psutil

    disk = shutil.disk_usage(root())
    memory = psutil.virtual_memory()  # tmpfs is memory, and may promise more than there is
    room = min(disk.free - int(RESERVE * disk.total), memory.available - int(RESERVE * memory.total))
    if size > room:
        raise _no_room(size, max(room, 0))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def _mapped(descriptor: int, size: int) -> memoryview:
    """The file, mapped read-only until nobody looks at it. Python's `mmap` keeps a descriptor for each mapping."""
    address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        code = ctypes.get_errno()
        raise OSError(code, f"a file of the node store can't be mapped: {os.strerror(code)}")
    data = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(data, _libc.munmap, address, size).atexit = False  # views may be used to the very end
    return memoryview(data).cast("B").toreadonly()


def _no_room(size: int, room: int) -> Unavailable:
    return Unavailable(
        f"the object has {size / 2**20:,.1f} MiB and the node store has room for {room / 2**20:,.1f} MiB: "
        "evict references you no longer need, or cancel a pilot",
        field="obj",
    )


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
