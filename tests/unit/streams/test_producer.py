"""A producer ends when it has sent what its schedule wants, or when its time is over by the clock."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.streams import producer
from pilothouse.streams.brokers.log import Log
from pilothouse.streams.description import StreamDescription
from pilothouse.streams.producer import Producer


class Line:
    """The driver's end of a producer's channel."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.config = {"parameters": parameters, "index": 0, "run_id": "00" * 16}
        self.stopping = threading.Event()
        self.sent: queue.Queue[dict[str, Any]] = queue.Queue()

    def send(self, message: dict[str, Any]) -> None:
        self.sent.put(message)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "log", partitions=1, limit=1 << 20)
    yield log
    log.remove()


def produce(log: Log, **options: Any) -> tuple[Producer, bool]:
    parameters = StreamDescription.check({"points": 100, "partitions": 1, "log_bytes": 1 << 20, **options}).model_dump()
    made = Producer(Line(parameters), log)  # type: ignore[arg-type]
    return made, made.run()


def test_all_that_the_schedule_wants_is_sent(log: Log) -> None:
    _, done = produce(log, rate=200.0, seconds=0.3)
    assert done
    assert log.tail(0) == 60


def test_a_schedule_that_can_not_be_kept_does_not_make_the_run_longer(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "OVERTIME", 0.1)
    real = Log.append

    def slow(self: Log, partition: int, messages: Any, **options: Any) -> int:
        time.sleep(0.02)
        return real(self, partition, messages[:1], **options)

    monkeypatch.setattr(Log, "append", slow)
    made, done = produce(log, rate=1000.0, seconds=0.3)
    assert done
    assert 0 < log.tail(0) < 300
    assert made.reported["produced"] == log.tail(0)
    assert made.reported["dropped"] == 0


def test_a_full_log_that_nobody_reads_does_not_hold_a_producer_beyond_its_time(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "OVERTIME", 0.1)
    log.join(0, "run")
    made, done = produce(log, rate=1000.0, seconds=0.3, points=20_000)
    assert done
    assert log.tail(0) == made.reported["produced"] == (1 << 20) // 240_000
