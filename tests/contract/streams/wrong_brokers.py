"""Brokers that are wrong in one way each: the contract has to notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilothouse.streams.brokers.log import Log
from pilothouse.streams.messages import Header
from pilothouse.streams.protocols import Message, Position, Sent


class Sound(Log):
    """Nothing is wrong with it."""


class Repeats(Log):
    """Remembers what a producer has sent one append later: a killed one would send it again."""

    def append(self, partition: int, messages: Sequence[tuple[bytes, Any]], *, producer: str, sent: Sent) -> int:
        later = f"{producer}-later"
        before = self.sent(partition, later)
        number = super().append(partition, messages, producer=later, sent=before)
        self.drop(partition, producer=producer, sent=before)  # wherever it is killed, what it remembers is too little
        return number


class Boundless(Log):
    """Has no limit: what is produced too fast fills the disk."""

    def __init__(self, path: Path, *, partitions: int, limit: int, existing: bool = False) -> None:
        super().__init__(path, partitions=partitions, limit=64 * limit, existing=existing)


class Overtaken(Log):
    """Lets a consumer commit that has lost its partition."""

    def commit(self, partition: int, group: str, before: Position, offset: int, state: bytes) -> Position:
        return super().commit(partition, group, self.join(partition, group), offset, state)


class Unchecked(Log):
    """Hands messages over without looking at their checksums."""

    def _views(self, part: Any, txn: Any, offsets: range, most: int) -> Iterator[Message]:
        for offset in offsets:
            key = offset.to_bytes(8, "big")
            payload = txn.get(key, db=part.payloads)
            yield Message(offset, Header(b"r" * 16, offset, 0, 7, offset, offset, len(payload)), payload)


class Sleepless(Log):
    """Never waits."""

    def wait(self, partitions: Sequence[int], timeout: float) -> None:
        pass


class Crowded(Log):
    """Keeps nobody out."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield


class Punctual(Log):
    """Forgets that the schedules of its producers go on later."""

    @classmethod
    def restore(cls, folder: Path, path: Path, *, partitions: int, limit: int, later_ns: int) -> Log:
        return super().restore(folder, path, partitions=partitions, limit=limit, later_ns=0)
