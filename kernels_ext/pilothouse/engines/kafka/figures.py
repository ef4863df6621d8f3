"""A broker's figures, from its files and one request: nothing of Java is asked, JMX listens on all interfaces."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from confluent_kafka import Producer

#: Seconds for a broker to answer.
ANSWER_S = 2.0
#: Where a broker writes, every two seconds, up to which offset each partition is on all replicas.
OFFSETS = "replication-offset-checkpoint"


class Figures:
    """The figures of one broker.

    ``bytes_in`` and ``messages_in``: what came to partitions that it led. ``bytes_out``: what it wrote to anybody, less
    what it wrote into its logs. These count from the first look on. ``partitions``, ``leaders``, ``under_replicated``
    (of those that it leads) and ``disk_used``, bytes, are as they are now.
    """

    def __init__(self, broker: int, data: Path, client: Producer) -> None:
        self._broker, self._data, self._client = broker, data, client
        self._sizes: dict[str, int] = {}
        self._offsets: dict[str, int] = {}
        self._led: set[str] = set()
        self._known: set[str] = set()
        self._copied: dict[str, float] = {}
        self._written: tuple[int, int] = (0, 0)
        self._sums = {"bytes_in": 0.0, "bytes_out": 0.0, "messages_in": 0.0}
        self._begun = False

    def now(self, process: int) -> Mapping[str, float]:
        """The figures at this moment."""
        led: set[str] = set()
        known: set[str] = set()
        partitions = under = 0
        for name, topic in self._client.list_topics(timeout=ANSWER_S).topics.items():
            for number, partition in topic.partitions.items():
                known.add(f"{name}-{number}")
                partitions += self._broker in partition.replicas
                if partition.leader == self._broker:
                    led.add(f"{name}-{number}")
                    under += len(partition.isrs) < len(partition.replicas)
        new = known - self._known
        counted = led & (self._led | new)  # what others led until now came here as a copy
        copied = led - self._led - new
        self._led, self._known = led, known
        logs = {name: (size, at) for name, size, at in self._logs()}
        offsets, told = self._high_watermarks()
        self._count(counted, {name: size for name, (size, _) in logs.items()}, offsets, (process, _written(process)))
        # What is told of the offsets of a copy may be older than the copy: it is counted from the first that is not.
        self._copied |= {name: logs[name][1] for name in copied & logs.keys()}
        self._copied = {name: at for name, at in self._copied.items() if name in led and at > told}
        return {
            **self._sums,
            "partitions": float(partitions),
            "leaders": float(len(led)),
            "under_replicated": float(under),
            "disk_used": float(sum(self._sizes.values())),
        }

    def _count(self, led: set[str], sizes: dict[str, int], offsets: dict[str, int], written: tuple[int, int]) -> None:
        """Add what has come since the last look; what retention removed meanwhile was not taken back."""
        if self._begun:
            self._sums["bytes_in"] += sum(max(sizes.get(p, 0) - self._sizes.get(p, 0), 0) for p in led)
            self._sums["messages_in"] += sum(
                max(offsets.get(p, 0) - self._offsets.get(p, 0), 0) for p in led - self._copied.keys()
            )
            if written[0] == self._written[0]:  # of a process that was started again, nothing is known
                logged = sum(max(size - self._sizes.get(p, 0), 0) for p, size in sizes.items())
                self._sums["bytes_out"] += max(written[1] - self._written[1] - logged, 0)
        self._sizes, self._offsets, self._written, self._begun = sizes, offsets, written, True

    def _logs(self) -> Iterator[tuple[str, int, float]]:
        """Partitions, the bytes of their logs, and when these were written to, in seconds since 1970."""
        with os.scandir(self._data) as folders:
            for folder in folders:
                if folder.is_dir() and not folder.name.endswith("-delete"):
                    try:
                        with os.scandir(folder) as files:
                            found = [file.stat() for file in files if file.name.endswith(".log")]
                    except FileNotFoundError:  # its topic was deleted, or it was moved away, meanwhile
                        continue
                    last = max((each.st_mtime for each in found), default=0.0)
                    yield folder.name, sum(each.st_size for each in found), last

    def _high_watermarks(self) -> tuple[dict[str, int], float]:
        """The offsets, and when they were written, in seconds since 1970."""
        try:
            with (self._data / OFFSETS).open() as file:
                told, lines = os.fstat(file.fileno()).st_mtime, file.read().splitlines()[2:]
        except FileNotFoundError:
            return {}, 0.0
        found = (line.split() for line in lines)
        return {f"{words[0]}-{words[1]}": int(words[2]) for words in found if len(words) == 3}, told


def _written(process: int) -> int:
    """Bytes that a process has written to files and sockets."""
    try:
        with open(f"/proc/{process}/io") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))
    except (OSError, StopIteration):
        return 0
