"""Numbered messages: what was acknowledged is read back, and nothing may be missing, doubled or out of order."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from types import TracebackType
from typing import Any, NamedTuple, Self


class Found(NamedTuple):
    """What became of the messages."""

    acknowledged: int
    read: int
    lost: int
    doubled: int
    disordered: int
    refused: int
    longest_gap: float


class Numbered:
    """Sends numbered messages to each partition of a topic while a with-block runs; then :meth:`found` reads them.

    Parameters
    ----------
    kafka
        Has ``producer()`` and ``consumer(group)``.
    topic
        One that nobody else writes to.
    rate
        Messages a second.
    """

    def __init__(self, kafka: Any, topic: str, partitions: int, rate: float = 1000.0, size: int = 1000) -> None:
        self._kafka, self._topic, self._partitions, self._rate = kafka, topic, partitions, rate
        self._padding = b" " * size
        self._acknowledged: dict[int, list[int]] = defaultdict(list)
        self._refused: list[Any] = []
        self._gap, self._last = 0.0, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self._producer = self._kafka.producer()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    @property
    def acknowledged(self) -> int:
        """How many messages have been."""
        return sum(map(len, self._acknowledged.values()))

    def _send(self) -> None:
        number, begun = 0, time.monotonic()
        while not self._over.is_set():
            self._producer.poll(0)
            if number > (time.monotonic() - begun) * self._rate:
                time.sleep(0.002)
                continue
            self._producer.produce(
                self._topic, str(number // self._partitions).encode() + self._padding,
                partition=number % self._partitions, on_delivery=self._told,
            )  # fmt: skip
            number += 1
        self._producer.flush(60)

    def _told(self, error: Any, message: Any) -> None:
        now = time.monotonic()
        if error is not None:
            self._refused.append(error)
            return
        self._gap, self._last = max(self._gap, now - self._last) if self._last else 0.0, now
        self._acknowledged[message.partition()].append(int(message.value()))

    def found(self, seconds: float = 60.0) -> Found:
        """Read all back, from the beginning, with a group of its own."""
        read: dict[int, list[int]] = defaultdict(list)
        consumer = self._kafka.consumer(f"read-{self._topic}-{time.time_ns()}")
        consumer.subscribe([self._topic])
        deadline = time.monotonic() + seconds
        while sum(map(len, read.values())) < self.acknowledged and time.monotonic() < deadline:
            for message in consumer.consume(5000, 0.05):
                if message.error() is None:
                    read[message.partition()].append(int(message.value()))
        consumer.close()
        sent = {(part, number) for part, numbers in self._acknowledged.items() for number in numbers}
        came = [(part, number) for part, numbers in read.items() for number in numbers]
        return Found(
            acknowledged=len(sent),
            read=len(came),
            lost=len(sent - set(came)),
            doubled=len(came) - len(set(came)),
            disordered=sum(a > b for numbers in read.values() for a, b in itertools.pairwise(numbers)),
            refused=len(self._refused),
            longest_gap=self._gap,
        )
