"""What every broker does, whoever made it; `BrokerContract` is inherited by a test class for each."""

from __future__ import annotations

import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pilothouse.errors import Conflict, InvalidInput, NotFound
from pilothouse.streams.messages import Corrupt, Header, pack
from pilothouse.streams.protocols import Broker, Portable, Position, Sent
from pilothouse.testing.elsewhere import PATIENCE_S, find, start

#: Payload bytes that a partition may hold in most tests: ten messages of 100 000 bytes, and not eleven.
LIMIT = 1 << 20
#: The same where other processes write; and the payload of their messages.
ROOM, SIZE = 64 << 20, 5000
RUN = b"r" * 16

Make = Callable[..., Broker]


class BrokerContract:
    """The contract; a subclass names the broker.

    Attributes
    ----------
    broker
        ``module:Class``, importable in any process; called as a run does: ``Class(folder, partitions=…, limit=…)``.
    """

    broker: str

    def open(self, folder: Path, partitions: int, limit: int) -> Broker:
        """The broker in `folder`: made, or as whoever came before left it."""
        return cast("Broker", find(self.broker)(folder, partitions=partitions, limit=limit))

    @pytest.fixture
    def make(self, tmp_path: Path) -> Iterator[Make]:
        """Opens the broker as often as a test likes, as a successor would: the one before is closed."""
        opened: list[Broker] = []

        def open_again(partitions: int = 2, limit: int = LIMIT) -> Broker:
            for before in opened:
                before.close()
            opened.append(self.open(tmp_path / "broker", partitions, limit))
            return opened[-1]

        yield open_again
        for broker in opened:
            broker.close()

    def test_messages_come_back_in_order_and_byte_identical(self, make: Make) -> None:
        assert fill(make(), range(10)) == 10
        with make().read(0, 0) as batch:
            got = [(m.offset, m.header, bytes(m.payload)) for m in batch]
        assert [offset for offset, _, _ in got] == list(range(10))
        for seq, (_, header, payload) in enumerate(got):
            assert header == Header(RUN, seq, 0, 7, seq, seq, 1000)
            assert payload == bytes([seq % 251]) * 1000

    def test_partitions_are_apart(self, make: Make) -> None:
        broker = make()
        assert broker.partitions == 2
        fill(broker, range(3), partition=1)
        assert (broker.tail(0), broker.tail(1)) == (0, 3)
        assert seqs(broker, partition=0) == []
        assert seqs(broker, partition=1) == [0, 1, 2]

    def test_unknown_partition_is_named(self, make: Make) -> None:
        with pytest.raises(InvalidInput, match="2") as caught:
            make().tail(2)
        assert caught.value.field == "partition"

    def test_read_is_bounded_in_messages_and_bytes_but_gives_one_at_least(self, make: Make) -> None:
        broker = make()
        fill(broker, range(10))
        assert seqs(broker, 2, max_messages=3) == [2, 3, 4]
        assert seqs(broker, 0, max_bytes=2500) == [0, 1]
        assert seqs(broker, 0, max_bytes=10) == [0]

    def test_reading_at_the_end_gives_nothing(self, make: Make) -> None:
        broker = make()
        fill(broker, range(2))
        assert seqs(broker, 2) == []

    def test_payloads_are_read_only_views(self, make: Make) -> None:
        broker = make()
        fill(broker, range(1), size=100_000)
        with broker.read(0, 0) as batch:
            payload = next(batch).payload
            assert isinstance(payload, memoryview)
            assert payload.readonly

    def test_a_damaged_message_is_not_handed_over(self, make: Make) -> None:
        broker = make()
        fill(broker, range(1))
        (head, payload), (_, other) = message(1), message(2)
        assert broker.append(0, [(head, other)], producer="p", sent=broker.sent(0, "p")) == 1
        with pytest.raises(Corrupt):
            seqs(broker)
        assert payload is not other

    def test_a_full_partition_takes_no_more_until_everything_old_is_processed(self, make: Make) -> None:
        broker = make()
        position = broker.join(0, "g")
        assert fill(broker, range(20), size=100_000) == 10
        assert fill(broker, range(10, 20), size=100_000) == 0
        broker.commit(0, "g", position, 4, b"")
        assert fill(broker, range(10, 20), size=100_000) == 4
        assert broker.tail(0) == 14
        assert seqs(broker, 4) == list(range(4, 14))
        with suppress(NotFound):  # what made room may be there still, and is never mixed up with what is new
            assert seqs(broker, 0)[:4] == list(range(4))

    def test_what_one_of_two_groups_has_not_processed_stays(self, make: Make) -> None:
        broker = make()
        quick, slow = broker.join(0, "quick"), broker.join(0, "slow")
        fill(broker, range(10), size=100_000)
        broker.commit(0, "quick", quick, 10, b"")
        broker.commit(0, "slow", slow, 1, b"")
        assert fill(broker, range(10, 20), size=100_000) == 1
        assert seqs(broker, 1) == list(range(1, 11))

    def test_nothing_is_removed_without_a_group(self, make: Make) -> None:
        broker = make()
        fill(broker, range(10), size=100_000)
        assert fill(broker, range(10, 11), size=100_000) == 0
        assert seqs(broker, 0) == list(range(10))

    def test_a_message_that_can_never_fit_is_refused_and_leaves_nothing(self, make: Make) -> None:
        broker = make()
        with pytest.raises(InvalidInput, match="log_bytes") as caught:
            fill(broker, range(1), size=LIMIT + 1)
        assert caught.value.field == "log_bytes"
        assert broker.tail(0) == 0
        assert broker.sent(0, "p") == Sent()

    def test_many_times_the_limit_passes_through(self, make: Make) -> None:
        broker = make()
        position = broker.join(0, "g")
        for first in range(0, 400, 8):
            assert fill(broker, range(first, first + 8), size=100_000) == 8
            assert seqs(broker, position.offset) == list(range(first, first + 8))
            position = broker.commit(0, "g", position, first + 8, b"")
        assert position.nbytes == 400 * 100_000

    def test_position_bytes_and_state_are_there_for_a_successor(self, make: Make) -> None:
        broker = make()
        fill(broker, range(5))
        broker.commit(0, "g", broker.join(0, "g"), 3, b"what was learned")
        assert make().join(0, "g") == Position(3, 3000, b"what was learned")

    def test_a_consumer_that_lost_its_partition_can_not_commit(self, make: Make) -> None:
        broker = make()
        fill(broker, range(5))
        stale = broker.join(0, "g")
        broker.commit(0, "g", broker.join(0, "g"), 2, b"new")
        with pytest.raises(Conflict):
            broker.commit(0, "g", stale, 5, b"old")
        assert broker.join(0, "g") == Position(2, 2000, b"new")

    def test_the_producer_record_counts_what_was_taken_only(self, make: Make) -> None:
        broker = make()
        assert broker.sent(0, "p") == Sent()
        assert fill(broker, range(20), size=100_000) == 10
        assert make().sent(0, "p") == Sent(next_seq=10, messages=10, nbytes=1_000_000)

    def test_producers_are_apart(self, make: Make) -> None:
        broker = make()
        fill(broker, range(3))
        assert broker.append(0, [message(3)], producer="q", sent=Sent(origin=5)) == 1
        assert broker.sent(0, "p") == Sent(next_seq=3, messages=3, nbytes=3000)
        assert broker.sent(0, "q") == Sent(next_seq=4, messages=1, nbytes=1000, origin=5)

    def test_dropped_messages_are_remembered(self, make: Make) -> None:
        broker = make()
        broker.drop(0, producer="p", sent=Sent(next_seq=9, dropped=9))
        assert make().sent(0, "p") == Sent(next_seq=9, dropped=9)

    def test_waiting_is_not_turning_round_in_circles(self, make: Make) -> None:
        broker = make()
        began = time.monotonic()
        for _ in range(20):
            broker.wait([0, 1], 0.05)
        assert time.monotonic() - began > 0.1, "20 waits of 0.05 s for nothing all returned at once"

    def test_a_waiting_consumer_is_woken_by_another_process(self, make: Make, tmp_path: Path) -> None:
        broker = make(partitions=1, limit=ROOM)
        broker.wait([0], 0)
        with self._writer(tmp_path / "broker", "one") as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            writer.stdin.write("\n")
            writer.stdin.flush()
            began = time.monotonic()
            while not broker.tail(0) and time.monotonic() - began < PATIENCE_S:
                broker.wait([0], PATIENCE_S)
            assert time.monotonic() - began < PATIENCE_S, "it slept until its time was over"
            assert seqs(broker)[0] == 0

    @pytest.mark.parametrize("lines", [1, 20, 90])
    def test_a_killed_producer_loses_nothing_acknowledged_and_repeats_nothing(self, tmp_path: Path, lines: int) -> None:
        acknowledged = 0
        for _ in range(2):  # and its successor, killed as well
            with self._writer(tmp_path / "broker", "many") as writer:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "open\n"
                for _ in range(lines):
                    acknowledged = int(writer.stdout.readline())
                writer.send_signal(signal.SIGKILL)
                rest = writer.stdout.read().splitlines()
                acknowledged = int(rest[-1]) if rest and rest[-1].isdigit() else acknowledged
                assert writer.wait() == -signal.SIGKILL
            broker = self.open(tmp_path / "broker", 1, ROOM)
            try:
                found = broker.tail(0)
                assert found >= acknowledged
                assert found == broker.sent(0, "p").messages
                assert [seq for at in range(0, found, 256) for seq in seqs(broker, at)] == list(range(found))
            finally:
                broker.close()

    def test_remove_leaves_nothing_and_close_can_be_repeated(self, make: Make) -> None:
        broker = make()
        fill(broker, range(1))
        broker.commit(0, "g", broker.join(0, "g"), 1, b"state")
        broker.close()
        broker.close()
        broker.remove()
        again = make()
        assert again.tail(0) == 0
        assert again.sent(0, "p") == Sent()
        assert again.join(0, "g") == Position()

    @contextmanager
    def _writer(self, folder: Path, how: str) -> Iterator[subprocess.Popen[str]]:
        with _child("write", self.broker, folder, how) as child:
            yield child


class PortableContract(BrokerContract):
    """The same, and what a broker keeps that can be carried away: :class:`pilothouse.streams.protocols.Portable`."""

    def test_it_is_portable(self, make: Make) -> None:
        assert isinstance(make(), Portable)

    def test_what_must_exist_already_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound):
            find(self.broker)(tmp_path / "broker", partitions=1, limit=LIMIT, existing=True).hold()
        assert not (tmp_path / "broker").exists()

    def test_what_was_saved_is_there_again_with_offsets_states_and_producers(self, make: Make, tmp_path: Path) -> None:
        broker = cast("Portable", make())
        broker.append(0, [message(seq) for seq in range(6)], producer="p", sent=Sent(origin=1000))
        broker.commit(0, "g", broker.join(0, "g"), 2, b"learned")
        fill(broker, range(1), partition=1)
        broker.save(tmp_path / "saved")
        with self._restored(tmp_path, later_ns=50) as again:
            assert again.join(0, "g") == Position(2, 2000, b"learned")
            assert seqs(again, 2) == [2, 3, 4, 5]
            assert seqs(again, 0, partition=1) == [0]
            assert again.sent(0, "p") == Sent(next_seq=6, messages=6, nbytes=6000, origin=1050)
            assert again.sent(1, "p") == Sent(next_seq=1, messages=1, nbytes=1000), "no schedule, nothing to put off"
            assert fill(again, range(6, 8)) == 2
            assert seqs(again, 2) == [2, 3, 4, 5, 6, 7]
        assert seqs(broker, 2) == [2, 3, 4, 5], "the one that was saved goes on"

    def test_saving_again_takes_the_place_of_the_copy_before(self, make: Make, tmp_path: Path) -> None:
        broker = cast("Portable", make())
        fill(broker, range(2))
        broker.save(tmp_path / "saved")
        fill(broker, range(2, 5))
        broker.save(tmp_path / "saved")
        with self._restored(tmp_path) as again:
            assert seqs(again, 0) == [0, 1, 2, 3, 4]

    def test_what_is_held_can_be_saved_after_its_folder_was_deleted(self, make: Make, tmp_path: Path) -> None:
        broker = cast("Portable", make())
        fill(broker, range(3))
        broker.hold()
        shutil.rmtree(broker.path)
        broker.save(tmp_path / "saved")
        with self._restored(tmp_path) as again:
            assert seqs(again, 0) == [0, 1, 2]

    def test_restoring_from_nothing_fails_and_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "saved").mkdir()
        with pytest.raises((OSError, NotFound)), self._restored(tmp_path):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["saved"]

    def test_whoever_is_alone_keeps_the_others_out(self, make: Make, tmp_path: Path) -> None:
        broker = cast("Portable", make())
        broker.hold()
        with ExitStack() as stack:
            with broker.alone():
                other = stack.enter_context(_child("enter", self.broker, tmp_path / "broker", str(tmp_path / "left")))
                assert other.stdout is not None
                assert other.stdout.readline() == "open\n"
                early, _, _ = select.select([other.stdout], [], [], 0.5)
                assert not early, "another process was alone at the same time"
                (tmp_path / "left").touch()
            assert other.stdout.readline() == "alone\n"
            assert other.wait(PATIENCE_S) == 0

    @contextmanager
    def _restored(self, folder: Path, *, later_ns: int = 0) -> Iterator[Portable]:
        cls = find(self.broker)
        again = cls.restore(folder / "saved", folder / "again", partitions=2, limit=LIMIT, later_ns=later_ns)
        try:
            yield again
        finally:
            again.close()


def message(seq: int, size: int = 1000, partition: int = 0) -> tuple[bytes, Any]:
    """Message `seq`, as a producer makes it: header and payload."""
    payload = np.full(size, seq % 251, dtype=np.uint8)
    return pack(Header(RUN, seq, partition, 7, seq, seq, size), payload), payload


def fill(broker: Broker, numbers: range, size: int = 1000, partition: int = 0) -> int:
    """Append the messages of these numbers; how many were taken."""
    sent = broker.sent(partition, "p")
    return broker.append(partition, [message(i, size, partition) for i in numbers], producer="p", sent=sent)


def seqs(broker: Broker, at: int = 0, partition: int = 0, **limits: int) -> list[int]:
    """The numbers of the messages that a read from offset `at` on gives."""
    with broker.read(partition, at, **limits) as batch:
        return [m.header.seq for m in batch]


@contextmanager
def _child(does: str, broker: str, folder: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    process = start(
        f"import sys; from pilothouse.testing import brokers; brokers._{does}(*sys.argv[1:])", broker, str(folder), how
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _write(broker: str, folder: str, how: str) -> None:
    """A producer: one message when it is told to (`how` is "one"), or seven after seven until it is killed."""
    opened = find(broker)(Path(folder), partitions=1, limit=ROOM)
    _say("open")
    if how == "one":
        sys.stdin.readline()
        fill(opened, range(1), SIZE)
        sys.stdin.read()  # the broker must not be missed when its process ends
        return
    seq = opened.sent(0, "p").next_seq
    while True:
        seq += fill(opened, range(seq, seq + 7), SIZE)
        _say(str(seq))


def _enter(broker: str, folder: str, left: str) -> None:
    """Another process that wants to be alone, and says whether it was let in before the first had left."""
    opened = find(broker)(Path(folder), partitions=2, limit=LIMIT)
    opened.hold()
    _say("open")
    with opened.alone():
        _say("alone" if Path(left).exists() else "too early")
    opened.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
