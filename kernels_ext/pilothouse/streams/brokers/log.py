"""The embedded log: one LMDB environment a partition, on the node's own disk. The only file that imports lmdb.

There is no server. Producers append in transactions, consumers read the same pages through their memory map, and a
group's offsets live in the environment that they count, so an offset, the state that belongs to it and the
messages can't contradict each other. A named pipe a partition tells the consumer that something came.

A process may be killed at any instruction: what a transaction committed is in the operating system's page cache,
what it did not commit never happened, and the lock of a dead writer passes on. Transactions are not flushed to the
disk one by one, so a machine that loses power loses the log: it is the scratch of a run, not an archive.

Where: in the folder that the node's ``TMPDIR`` names (``/tmp`` without it). Batch systems point it to node-local
disk; the network file systems that hold home folders break memory maps. Not ``/dev/shm``: it is taken from the memory
that the processors need, and containers often have 64 MB of it; a disk's page cache is as fast and gives way.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import lmdb

from pilothouse.errors import Conflict, InvalidInput, NotFound, Unavailable
from pilothouse.streams.messages import HEADER, unpack
from pilothouse.streams.protocols import Message, Position, Sent

_KEY = struct.Struct(">Q")  # big-endian, so that LMDB's byte order is the order of offsets
_BOUNDS = struct.Struct("<QQQQ")  # first offset, next offset, and the payload bytes before each
_SENT = struct.Struct("<QQQQq")
_POSITION = struct.Struct("<QQ")
_SEQ_AT, _SIZE_AT = 24, HEADER.size - 8  # where a header has its sequence number and its payload's size

#: Room beyond the messages: trees, and pages of removed messages that a reader still sees.
SLACK = 32 << 20
#: Processed messages kept for a second look (bytes a partition). Few, so that pages are used again while they
#: are in the processor's cache and the disk never sees most of them: 3 times less CPU than filling `limit` first.
KEPT = 8 << 20
#: The largest `log_bytes`: nobody means more, and the environment's address space is taken at once.
LARGEST = 1 << 40


def scratch() -> Path:
    """The folder on this node's own disk where logs go."""
    return Path(tempfile.gettempdir())


class _Partition:
    """An open environment with its three databases and its pipe."""

    def __init__(self, folder: Path, limit: int, existing: bool) -> None:
        if existing and not (folder / "data.mdb").exists():
            raise NotFound(f"there is no log in {folder} any more")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.limit = limit
        self.wake = folder / "wake"
        with suppress(FileExistsError):
            os.mkfifo(self.wake, 0o600)
        room = 2 * limit + SLACK
        if not (folder / "data.mdb").exists() and shutil.disk_usage(folder).free < room:
            raise Unavailable(
                f"log_bytes={limit}: {folder} has no room for {room} bytes; take fewer, or point TMPDIR elsewhere",
                field="log_bytes",
            )
        # Open for both directions: a pipe then needs no partner, and its end never shows.
        self.pipe = os.open(self.wake, os.O_RDWR | os.O_NONBLOCK)
        # The writer writes into the map: half the CPU at 2 MB, where LMDB would else allocate each page and copy it.
        self.env = lmdb.open(
            str(folder), map_size=room, max_dbs=3, max_readers=256, mode=0o600,
            sync=False, metasync=False, readahead=False, writemap=True,
        )  # fmt: skip
        self.env.reader_check()  # a killed reader would keep its pages for ever
        try:
            self.headers, self.payloads, self.state = (
                self.env.open_db(name, create=not existing) for name in (b"headers", b"payloads", b"state")
            )
        except lmdb.NotFoundError:  # deleted while it was opened, so this one is new and empty
            raise NotFound(f"there is no log in {folder} any more") from None

    def bounds(self, txn: Any) -> tuple[int, int, int, int]:
        found = txn.get(b"bounds", db=self.state)
        return _BOUNDS.unpack(found) if found else (0, 0, 0, 0)

    def close(self) -> None:
        if self.pipe >= 0:
            self.env.close()
            os.close(self.pipe)
            self.pipe = -1


class Log:
    """Embedded log on one node's disk (LMDB): no server, zero-copy reads.

    It is a :class:`pilothouse.streams.protocols.Broker`.

    Parameters
    ----------
    path
        Its folder, on a local disk; made when it is missing.
    partitions
        How many partitions it has.
    limit
        Payload bytes that one partition may hold.
    existing
        It must be there already: :class:`NotFound` otherwise.
    """

    def __init__(self, path: Path, *, partitions: int, limit: int = 256 << 20, existing: bool = False) -> None:
        if not 0 < limit <= LARGEST:
            raise InvalidInput(f"log_bytes={limit} must be between 1 and {LARGEST} bytes", field="log_bytes")
        self.path = path
        self.partitions = partitions
        self.limit = limit
        self.existing = existing
        self._open: dict[int, _Partition] = {}
        if existing and not path.is_dir():
            raise NotFound(f"there is no log in {path} any more")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)

    def _partition(self, index: int) -> _Partition:
        found = self._open.get(index)
        if found is None:
            if not 0 <= index < self.partitions:
                raise InvalidInput(f"partition={index}: the log has {self.partitions}", field="partition")
            found = self._open[index] = _Partition(self.path / f"partition-{index}", self.limit, self.existing)
        return found

    def append(self, partition: int, messages: Sequence[tuple[bytes, Any]], *, producer: str, sent: Sent) -> int:
        """Append messages in one transaction; how many were taken."""
        part = self._partition(partition)
        try:
            taken = self._append(part, messages, producer, sent)
        except lmdb.MapFullError:  # readers hold on to removed pages, or free ones lie scattered
            taken = 0
        if taken:
            with suppress(BlockingIOError):  # a pipe that is full has woken its reader already
                os.write(part.pipe, b"+")
        return taken

    def _append(self, part: _Partition, messages: Sequence[tuple[bytes, Any]], producer: str, sent: Sent) -> int:
        taken = added = 0
        with part.env.begin(write=True) as txn:
            first, after, removed, total = part.bounds(txn)
            done = self._processed(part, txn)
            if done.nbytes - removed > KEPT or total + sum(map(_size, messages)) - removed > part.limit:
                self._remove(part, txn, first, done.offset)
                first, removed = max(first, done.offset), max(removed, done.nbytes)
            for message in messages:
                size = _size(message)
                if size > part.limit:
                    raise InvalidInput(
                        f"a message of {size} bytes can't be in a log of log_bytes={part.limit}: take more",
                        field="log_bytes",
                    )
                if total + size - removed > part.limit:
                    break
                key = _KEY.pack(after)
                txn.put(key, message[0], db=part.headers, append=True)
                txn.put(key, message[1], db=part.payloads, append=True)
                after, total = after + 1, total + size
                taken, added = taken + 1, added + size
            if taken:
                seq = int.from_bytes(messages[taken - 1][0][_SEQ_AT : _SEQ_AT + 8], "little")
                sent = sent._replace(next_seq=seq + 1, messages=sent.messages + taken, nbytes=sent.nbytes + added)
                txn.put(f"producer:{producer}".encode(), _SENT.pack(*sent), db=part.state)
            txn.put(b"bounds", _BOUNDS.pack(first, after, removed, total), db=part.state)
        return taken

    def _processed(self, part: _Partition, txn: Any) -> Position:
        """What every group has processed; nothing while there is no group."""
        groups: list[Position] = []
        cursor = txn.cursor(db=part.state)
        cursor.set_range(b"group:")
        for key, value in cursor:
            if not key.startswith(b"group:"):
                break
            groups.append(Position(*_POSITION.unpack_from(value)))
        return min(groups, default=Position())

    def _remove(self, part: _Partition, txn: Any, first: int, until: int) -> None:
        for offset in range(first, until):
            key = _KEY.pack(offset)
            txn.delete(key, db=part.headers)
            txn.delete(key, db=part.payloads)

    def drop(self, partition: int, *, producer: str, sent: Sent) -> None:
        """Remember `sent`, in which messages were given up."""
        part = self._partition(partition)
        with part.env.begin(write=True) as txn:
            txn.put(f"producer:{producer}".encode(), _SENT.pack(*sent), db=part.state)

    def sent(self, partition: int, producer: str) -> Sent:
        """What `producer` has put there so far."""
        part = self._partition(partition)
        with part.env.begin() as txn:
            found = txn.get(f"producer:{producer}".encode(), db=part.state)
        return Sent(*_SENT.unpack(found)) if found else Sent()

    @contextmanager
    def read(
        self, partition: int, start: int, *, max_messages: int = 256, max_bytes: int = 16 << 20
    ) -> Iterator[Iterator[Message]]:
        """The messages from `start` on, as views of the memory map."""
        part = self._partition(partition)
        with part.env.begin(buffers=True) as txn:
            first, after, _, _ = part.bounds(txn)
            if start < first:
                raise NotFound(f"offset {start} of partition {partition} is gone: the log begins at {first}")
            yield self._views(part, txn, range(start, min(after, start + max_messages)), max_bytes)

    def _views(self, part: _Partition, txn: Any, offsets: range, most: int) -> Iterator[Message]:
        nbytes = 0
        for offset in offsets:
            key = _KEY.pack(offset)
            payload = txn.get(key, db=part.payloads)
            nbytes += len(payload)
            if nbytes > most and offset != offsets.start:
                return
            yield Message(offset, unpack(txn.get(key, db=part.headers), payload), payload)

    def tail(self, partition: int) -> int:
        """The offset that the next message will get."""
        part = self._partition(partition)
        with part.env.begin() as txn:
            return part.bounds(txn)[1]

    def join(self, partition: int, group: str) -> Position:
        """Where `group` is; a new group begins at the first message there is."""
        part = self._partition(partition)
        key = f"group:{group}".encode()
        with part.env.begin(write=True) as txn:
            found = txn.get(key, db=part.state)
            if found is None:
                first, _, removed, _ = part.bounds(txn)
                found = _POSITION.pack(first, removed)
                txn.put(key, found, db=part.state)
        return _position(found)

    def commit(self, partition: int, group: str, before: Position, offset: int, state: bytes) -> Position:
        """Move `group` on, if it still is where the caller thinks."""
        part = self._partition(partition)
        key = f"group:{group}".encode()
        with part.env.begin(write=True) as txn:
            found = txn.get(key, db=part.state)
            current = None if found is None else _position(found)
            if current is None or current.offset != before.offset:
                raise Conflict(
                    f"group {group!r} is not at offset {before.offset} of partition {partition} any more: "
                    "another process consumes it"
                )
            nbytes = current.nbytes
            for done in range(current.offset, offset):
                nbytes += _size((txn.get(_KEY.pack(done), db=part.headers), b""))
            txn.put(key, _POSITION.pack(offset, nbytes) + state, db=part.state)
        return Position(offset, nbytes, state)

    def wait(self, partitions: Sequence[int], timeout: float) -> None:
        """Return soon after an append to one of the partitions."""
        ready, _, _ = select.select([self._partition(index).pipe for index in partitions], [], [], timeout)
        for pipe in ready:
            with suppress(BlockingIOError):
                os.read(pipe, 65536)

    def close(self) -> None:
        """Close all environments; views of payloads must not be used any more."""
        while self._open:
            self._open.popitem()[1].close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def hold(self) -> None:
        """Open every partition, so that :meth:`save` works even when the folder is deleted meanwhile."""
        for index in range(self.partitions):
            self._partition(index)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep out other processes that ask for the same."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def save(self, folder: Path) -> None:
        """Copy every partition into `folder`, without the messages that are processed.

        Others may go on: each copy is of one moment, with offsets, states and messages that agree.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for index in range(self.partitions):
            part = self._partition(index)
            with suppress(lmdb.MapFullError), part.env.begin(write=True) as txn:
                first, after, removed, total = part.bounds(txn)
                done = self._processed(part, txn)
                self._remove(part, txn, first, done.offset)
                bounds = _BOUNDS.pack(max(first, done.offset), after, max(removed, done.nbytes), total)
                txn.put(b"bounds", bounds, db=part.state)
            temporary = folder / f".{index}.{os.getpid()}"
            try:
                with open(temporary, "wb", opener=_private) as file:
                    part.env.copyfd(file.fileno(), compact=True)
                temporary.replace(folder / _copy(index))
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    @classmethod
    def restore(cls, folder: Path, path: Path, *, partitions: int, limit: int, later_ns: int) -> Log:
        """A log at `path` from what :meth:`save` left in `folder`, whole or not at all.

        Parameters
        ----------
        later_ns
            Producers' schedules go on this much later (ns).
        """
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            for index in range(partitions):
                place = temporary / f"partition-{index}"
                place.mkdir(mode=0o700, parents=True)
                shutil.copyfile(folder / _copy(index), place / "data.mdb")
            log = cls(temporary, partitions=partitions, limit=limit, existing=True)
            for index in range(partitions):
                _shift(log._partition(index), later_ns)
            log.close()
            shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return cls(path, partitions=partitions, limit=limit, existing=True)

    def remove(self) -> None:
        """Close, and delete the folder."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _size(message: tuple[Any, Any]) -> int:
    return int.from_bytes(message[0][_SIZE_AT : _SIZE_AT + 4], "little")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _copy(index: int) -> str:
    return f"partition-{index}.mdb"


def _shift(part: _Partition, later_ns: int) -> None:
    with part.env.begin(write=True) as txn:
        cursor = txn.cursor(db=part.state)
        found = cursor.set_range(b"producer:")
        while found and cursor.key().startswith(b"producer:"):
            sent = Sent(*_SENT.unpack(cursor.value()))
            cursor.put(cursor.key(), _SENT.pack(*sent._replace(origin=sent.origin + later_ns if sent.origin else 0)))
            found = cursor.next()


def _position(data: bytes) -> Position:
    offset, nbytes = _POSITION.unpack_from(data)
    return Position(offset, nbytes, data[_POSITION.size :])
