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
        self._written: tuple[int, int] = (0, 0)
        self._sums = {"bytes_in": 0.0, "bytes_out": 0.0, "messages_in": 0.0}
        self._begun = False

    def now(self, process: int) -> Mapping[str, float]:
        """The figures at this moment."""
        led: set[str] = set()
        partitions = under = 0
        for name, topic in self._client.list_topics(timeout=ANSWER_S).topics.items():
            for number, partition in topic.partitions.items():
                partitions += self._broker in partition.replicas
                if partition.leader == self._broker:
                    led.add(f"{name}-{number}")
                    under += len(partition.isrs) < len(partition.replicas)
        self._count(led, dict(self._logs()), self._high_watermarks(), (process, _written(process)))
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
            stays = led & self._led
            self._sums["bytes_in"] += sum(max(sizes.get(p, 0) - self._sizes.get(p, 0), 0) for p in stays)
            self._sums["messages_in"] += sum(max(offsets.get(p, 0) - self._offsets.get(p, 0), 0) for p in stays)
            if written[0] == self._written[0]:  # of a process that was started again, nothing is known
                logged = sum(max(size - self._sizes.get(p, 0), 0) for p, size in sizes.items())
                self._sums["bytes_out"] += max(written[1] - self._written[1] - logged, 0)
        self._led, self._sizes, self._offsets, self._written, self._begun = led, sizes, offsets, written, True

    def _logs(self) -> Iterator[tuple[str, int]]:
        """Partitions and the bytes of their logs."""
        with os.scandir(self._data) as folders:
            for folder in folders:
                if folder.is_dir() and not folder.name.endswith("-delete"):
                    try:
                        with os.scandir(folder) as files:
                            yield folder.name, sum(f.stat().st_size for f in files if f.name.endswith(".log"))
                    except FileNotFoundError:  # its topic was deleted, or it was moved away, meanwhile
                        continue

    def _high_watermarks(self) -> dict[str, int]:
        try:
            lines = (self._data / OFFSETS).read_text().splitlines()[2:]
        except FileNotFoundError:
            return {}
        found = (line.split() for line in lines)
        return {f"{words[0]}-{words[1]}": int(words[2]) for words in found if len(words) == 3}


def _written(process: int) -> int:
    """Bytes that a process has written to files and sockets."""
    try:
        with open(f"/proc/{process}/io") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))
    except (OSError, StopIteration):
        return 0
