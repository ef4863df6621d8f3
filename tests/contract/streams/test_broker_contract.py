"""What every broker does, whoever made it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.errors import Conflict, InvalidInput, NotFound
from pilothouse.streams.brokers.log import Log
from pilothouse.streams.messages import Header, pack
from pilothouse.streams.protocols import Broker, Position, Sent

LIMIT = 1 << 20
Make = Callable[..., Broker]


@pytest.fixture(params=["log"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Opens the broker as often as a test likes, as a successor would: the one before is closed."""
    opened: list[Broker] = []

    def open_again(partitions: int = 2, limit: int = LIMIT) -> Broker:
        for before in opened:
            before.close()
        broker = Log(tmp_path / "log", partitions=partitions, limit=limit)
        opened.append(broker)
        return broker

    yield open_again
    for broker in opened:
        broker.close()


def message(seq: int, size: int = 1000, partition: int = 0) -> tuple[bytes, Any]:
    payload = np.full(size, seq % 251, dtype=np.uint8)
    return pack(Header(b"r" * 16, seq, partition, 7, seq, seq, size), payload), payload


def fill(broker: Broker, numbers: range, size: int = 1000, partition: int = 0) -> int:
    sent = broker.sent(partition, "p")
    return broker.append(partition, [message(i, size, partition) for i in numbers], producer="p", sent=sent)


def seqs(broker: Broker, start: int = 0, partition: int = 0, **limits: int) -> list[int]:
    with broker.read(partition, start, **limits) as batch:
        return [m.header.seq for m in batch]


def test_messages_come_back_in_order_and_byte_identical(make: Make) -> None:
    broker = make()
    assert fill(broker, range(10)) == 10
    with make().read(0, 0) as batch:
        got = [(m.offset, m.header, bytes(m.payload)) for m in batch]
    assert [offset for offset, _, _ in got] == list(range(10))
    for seq, (_, header, payload) in enumerate(got):
        assert header == Header(b"r" * 16, seq, 0, 7, seq, seq, 1000)
        assert payload == bytes([seq % 251]) * 1000


def test_partitions_are_apart(make: Make) -> None:
    broker = make()
    fill(broker, range(3), partition=1)
    assert broker.tail(0) == 0
    assert broker.tail(1) == 3
    assert seqs(broker, partition=0) == []


def test_unknown_partition_is_named(make: Make) -> None:
    with pytest.raises(InvalidInput, match="partition=2"):
        make().tail(2)


def test_read_is_bounded_in_messages_and_bytes_but_gives_one_at_least(make: Make) -> None:
    broker = make()
    fill(broker, range(10))
    assert seqs(broker, 2, max_messages=3) == [2, 3, 4]
    assert seqs(broker, 0, max_bytes=2500) == [0, 1]
    assert seqs(broker, 0, max_bytes=10) == [0]


def test_reading_at_the_end_gives_nothing(make: Make) -> None:
    broker = make()
    fill(broker, range(2))
    assert seqs(broker, 2) == []


def test_payloads_are_not_copied_by_a_read(make: Make) -> None:
    broker = make()
    fill(broker, range(1), size=100_000)
    with broker.read(0, 0) as batch:
        payload = next(batch).payload
        assert isinstance(payload, memoryview)
        assert payload.readonly


def test_a_full_partition_takes_no_more_until_everything_old_is_processed(make: Make) -> None:
    broker = make()
    position = broker.join(0, "g")
    assert fill(broker, range(20), size=100_000) == 10
    assert fill(broker, range(10, 20), size=100_000) == 0
    position = broker.commit(0, "g", position, 4, b"")
    assert fill(broker, range(10, 20), size=100_000) == 4
    assert broker.tail(0) == 14
    assert seqs(broker, 4) == list(range(4, 14))
    with pytest.raises(NotFound, match="offset 0"):
        seqs(broker, 0)


def test_what_one_of_two_groups_has_not_processed_stays(make: Make) -> None:
    broker = make()
    quick, slow = broker.join(0, "quick"), broker.join(0, "slow")
    fill(broker, range(10), size=100_000)
    broker.commit(0, "quick", quick, 10, b"")
    broker.commit(0, "slow", slow, 1, b"")
    assert fill(broker, range(10, 20), size=100_000) == 1
    assert seqs(broker, 1) == list(range(1, 11))


def test_nothing_is_removed_without_a_group(make: Make) -> None:
    broker = make()
    fill(broker, range(10), size=100_000)
    assert fill(broker, range(10, 11), size=100_000) == 0
    assert seqs(broker, 0) == list(range(10))


def test_a_message_that_can_never_fit_is_refused_and_leaves_nothing(make: Make) -> None:
    broker = make()
    with pytest.raises(InvalidInput, match="log_bytes") as caught:
        fill(broker, range(1), size=LIMIT + 1)
    assert caught.value.field == "log_bytes"
    assert broker.tail(0) == 0


def test_many_times_the_limit_passes_through(make: Make) -> None:
    broker = make()
    position = broker.join(0, "g")
    for start in range(0, 400, 8):
        assert fill(broker, range(start, start + 8), size=100_000) == 8
        assert seqs(broker, position.offset) == list(range(start, start + 8))
        position = broker.commit(0, "g", position, start + 8, b"")
    assert position.nbytes == 400 * 100_000


def test_position_bytes_and_state_are_there_for_a_successor(make: Make) -> None:
    broker = make()
    fill(broker, range(5))
    broker.commit(0, "g", broker.join(0, "g"), 3, b"what was learned")
    assert make().join(0, "g") == Position(3, 3000, b"what was learned")


def test_a_consumer_that_lost_its_partition_can_not_commit(make: Make) -> None:
    broker = make()
    fill(broker, range(5))
    stale = broker.join(0, "g")
    broker.commit(0, "g", broker.join(0, "g"), 2, b"new")
    with pytest.raises(Conflict, match="another process"):
        broker.commit(0, "g", stale, 5, b"old")
    assert broker.join(0, "g") == Position(2, 2000, b"new")


def test_the_producer_record_counts_what_was_taken_only(make: Make) -> None:
    broker = make()
    assert broker.sent(0, "p") == Sent()
    assert fill(broker, range(20), size=100_000) == 10
    assert make().sent(0, "p") == Sent(next_seq=10, messages=10, nbytes=1_000_000)


def test_dropped_messages_are_remembered(make: Make) -> None:
    broker = make()
    broker.drop(0, producer="p", sent=Sent(next_seq=9, dropped=9))
    assert make().sent(0, "p") == Sent(next_seq=9, dropped=9)


def test_a_waiting_consumer_is_woken_by_another_process(make: Make, tmp_path: Path) -> None:
    broker = make(partitions=1, limit=64 << 20)
    broker.wait([0], 0)
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "log")], stdout=-3)
    try:
        started = time.monotonic()
        broker.wait([0], 250)  # longer than a machine, however slow, takes to start the writer
        assert time.monotonic() - started < 240
        assert seqs(broker)[0] == 0
    finally:
        writer.kill()
        writer.wait()


def test_remove_leaves_nothing_and_close_can_be_repeated(make: Make, tmp_path: Path) -> None:
    broker = make()
    fill(broker, range(1))
    broker.close()
    broker.close()
    broker.remove()
    assert not (tmp_path / "log").exists()


WRITER = """
    import sys, numpy as np
    from pathlib import Path
    from pilothouse.streams.brokers.log import Log
    from pilothouse.streams.messages import Header, pack
    broker = Log(Path(sys.argv[1]), partitions=1, limit=64 << 20)
    seq = broker.sent(0, "p").next_seq
    while True:
        batch = []
        for i in range(seq, seq + 7):
            payload = np.full(5000, i % 251, dtype=np.uint8)
            batch.append((pack(Header(b"r" * 16, i, 0, 7, 0, 0, 5000), payload), payload))
        seq += broker.append(0, batch, producer="p", sent=broker.sent(0, "p"))
        print(seq, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 20, 90])
def test_a_killed_producer_loses_nothing_acknowledged_and_repeats_nothing(tmp_path: Path, lines: int) -> None:
    acknowledged = 0
    for _ in range(2):  # and its successor, killed as well
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(lines):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        acknowledged = int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
        assert writer.wait() == -signal.SIGKILL
        writer.stdout.close()
        log = Log(tmp_path / "log", partitions=1, limit=64 << 20)
        found = log.tail(0)
        assert found >= acknowledged
        assert found == log.sent(0, "p").messages
        assert [s for at in range(0, found, 256) for s in seqs(log, at)] == list(range(found))
        log.close()
