"""Every broker of ours keeps the contract of brokers, and what the embedded log promises beyond it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.errors import NotFound
from pilothouse.streams.brokers.log import Log
from pilothouse.testing.brokers import LIMIT, Make, PortableContract, fill, seqs


class TestLog(PortableContract):
    broker = "pilothouse.streams.brokers.log:Log"

    def test_what_made_room_is_gone_and_reading_it_says_so(self, make: Make) -> None:
        broker = make()
        position = broker.join(0, "g")
        fill(broker, range(10), size=100_000)
        broker.commit(0, "g", position, 4, b"")
        fill(broker, range(10, 14), size=100_000)
        with pytest.raises(NotFound, match="offset 0"):
            seqs(broker, 0)

    def test_remove_deletes_its_folder(self, tmp_path: Path) -> None:
        log = Log(tmp_path / "log", partitions=1, limit=LIMIT)
        fill(log, range(1))
        log.remove()
        assert not (tmp_path / "log").exists()
