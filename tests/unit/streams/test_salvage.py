"""A log that is saved and put back holds what was committed, neither less nor twice, whatever went on meanwhile."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest

from pilothouse.errors import NotFound
from pilothouse.streams import salvage
from pilothouse.streams.brokers.log import Log
from pilothouse.streams.messages import Header, pack
from pilothouse.streams.protocols import Portable, Position, Sent

LIMIT = 1 << 20
SECOND = 1_000_000_000


OTHER = f"""
import sys
from pathlib import Path
from pilothouse.streams import salvage
from pilothouse.streams.brokers.log import Log

log = Log(Path(sys.argv[1]), partitions=2, limit={LIMIT})
log.hold()
print("open", flush=True)
sys.stdin.readline()
salvage.save(log, Path(sys.argv[2]))
"""


class Line:
    """Where a process hears of its run."""

    def __init__(self, folder: Path, **parameters: Any) -> None:
        given = {"broker": "log", "partitions": 2, "log_bytes": LIMIT, "producers": 1, "consumers": 1, **parameters}
        self.config = {"folder": str(folder), "parameters": given}
        self.stopping = self

    def wait(self, seconds: float) -> bool:
        return False


def fill(log: Log, partition: int, numbers: range, producer: str = "0") -> None:
    sent = log.sent(partition, producer)._replace(origin=SECOND)
    messages = []
    for seq in numbers:
        payload = np.full(1000, seq % 251, dtype=np.uint8)
        messages.append((pack(Header(b"r" * 16, seq, partition, 7, seq, seq, 1000), payload), payload))
    assert log.append(partition, messages, producer=producer, sent=sent) == len(messages)


def seqs(log: Log, partition: int, start: int) -> list[int]:
    with log.read(partition, start) as batch:
        return [message.header.seq for message in batch]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path / "node" / "a", partitions=2, limit=LIMIT)
    log.hold()
    for partition in range(2):
        log.join(partition, salvage.GROUP)
        fill(log, partition, range(partition, 40, 2))
    log.commit(0, salvage.GROUP, Position(), 5, b"model")
    return log


def test_offsets_state_and_messages_come_back(log: Log, tmp_path: Path) -> None:
    assert isinstance(log, Portable)
    salvage.save(log, tmp_path)
    assert not log.path.exists()
    again = tmp_path / "node" / "b"
    found = salvage.restore(Line(tmp_path), again, [str(log.path)])  # type: ignore[arg-type]
    assert found is not None
    assert found["counts"] == {
        "producer-0": {"produced": 40, "produced_bytes": 40_000, "dropped": 0},
        "consumer-0": {"consumed": 5, "consumed_bytes": 5000, "lag": 35},
    }
    back = Log(again, partitions=2, limit=LIMIT)
    assert back.join(0, salvage.GROUP) == Position(5, 5000, b"model")
    assert seqs(back, 0, 5) == list(range(10, 40, 2))
    assert seqs(back, 1, 0) == list(range(1, 40, 2))
    sent = back.sent(0, "0")
    assert sent._replace(origin=0) == Sent(39, 20, 20_000)
    assert sent.origin == pytest.approx(SECOND + found["paused_s"] * SECOND, abs=1000)
    fill(back, 0, range(40, 44, 2))
    assert seqs(back, 0, 5)[-2:] == [40, 42]
    back.close()
    assert [path.name for path in (tmp_path / "node").iterdir()] == ["b"]


def test_a_producer_that_has_sent_nothing_begins_its_schedule_anew(tmp_path: Path) -> None:
    log = Log(tmp_path / "a", partitions=2, limit=LIMIT)
    log.drop(0, producer="0", sent=Sent(dropped=1))
    salvage.save(log, tmp_path)
    salvage.restore(Line(tmp_path), tmp_path / "b", [str(tmp_path / "a")])  # type: ignore[arg-type]
    back = Log(tmp_path / "b", partitions=2, limit=LIMIT)
    assert back.sent(0, "0").origin == 0
    back.close()


def test_a_log_is_saved_although_its_folder_was_deleted(log: Log, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "node")
    salvage.save(log, tmp_path)
    found = salvage.restore(Line(tmp_path), tmp_path / "b", [str(log.path)])  # type: ignore[arg-type]
    assert found is not None
    assert found["counts"]["producer-0"]["produced"] == 40


def test_the_second_process_finds_the_log_saved(log: Log, tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", OTHER, log.path, tmp_path], stdin=PIPE, stdout=PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    salvage.save(log, tmp_path)
    saved = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "log").iterdir()}
    other.communicate("go\n")
    assert other.returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "log").iterdir()} == saved
    assert sorted(saved) == ["partition-0.mdb", "partition-1.mdb", "saved.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "log").iterdir())


def test_processed_messages_are_not_saved(log: Log, tmp_path: Path) -> None:
    position = log.join(1, salvage.GROUP)
    log.commit(1, salvage.GROUP, position, 20, b"")
    log.save(tmp_path / "copies")
    sizes = [(tmp_path / "copies" / f"partition-{index}.mdb").stat().st_size for index in range(2)]
    assert sizes[1] < sizes[0] - 10_000
    log.close()


def test_another_logs_copy_is_not_taken_for_this_one(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salvage, "PATIENCE", 0.2)
    salvage.save(log, tmp_path)
    assert salvage.restore(Line(tmp_path), tmp_path / "b", ["/nowhere/else"]) is None  # type: ignore[arg-type]


def test_a_copy_that_takes_long_is_waited_for_as_long_as_it_grows(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "PATIENCE", 0.4)
    salvage.save(log, tmp_path)
    manifest = tmp_path / "log" / salvage.MANIFEST
    manifest.rename(tmp_path / "later")
    line, looks = Line(tmp_path), iter(range(100))

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        if next(looks) == 20:  # more than twice the patience
            (tmp_path / "later").rename(manifest)
        else:
            with (tmp_path / "log" / ".1.77").open("ab") as file:
                file.write(b"x")
        return False

    monkeypatch.setattr(line, "wait", wait)
    found = salvage.restore(line, tmp_path / "b", [str(log.path)])  # type: ignore[arg-type]
    assert found is not None
    assert found["counts"]["consumer-0"]["consumed"] == 5


def test_a_log_that_nobody_saved_is_taken_from_where_it_lies(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "PATIENCE", 0.2)
    log.close()
    found = salvage.restore(Line(tmp_path), tmp_path / "b", [str(log.path)])  # type: ignore[arg-type]
    assert found is not None
    assert found["counts"]["consumer-0"]["consumed"] == 5
    assert not log.path.exists()


def test_the_place_is_remembered_for_the_next_driver(tmp_path: Path) -> None:
    from pilothouse.streams.place import PLACE, Place

    first = Place(tmp_path)
    assert first.take({"machine": "m", "scratch": "/s"}, "n-1", "consumer-0")
    first.remember()
    assert (tmp_path / PLACE).stat().st_mode & 0o077 == 0
    unseen = Place(tmp_path)  # nobody has seen a number of the first: this one begins anew
    assert not unseen.continued
    assert unseen.run_id != first.run_id
    first.settled()
    second = Place(tmp_path)
    assert (second.run_id, second.started, second.earlier) == (first.run_id, first.started, [first.log])
    second.take({"machine": "other", "scratch": "/s"}, "n-2", "producer-0")
    second.remember()  # and killed before its log is in use
    third = Place(tmp_path)
    assert third.earlier == [first.log, second.log]
    assert len({first.log, second.log}) == 2
    assert json.loads((tmp_path / PLACE).read_bytes())["lives"] == 1


def test_a_deleted_log_is_not_mistaken_for_an_empty_one(log: Log, tmp_path: Path) -> None:
    log.close()
    (log.path / "partition-1" / "data.mdb").unlink()  # as when it is opened while it is being deleted
    again = Log(log.path, partitions=2, limit=LIMIT, existing=True)
    with pytest.raises(NotFound, match="no log"):
        again.hold()
    again.close()
    log.remove()
    with pytest.raises(NotFound, match="no log"):
        Log(log.path, partitions=2, limit=LIMIT, existing=True)
    assert not log.path.exists()
