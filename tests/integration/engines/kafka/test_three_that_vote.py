"""Three brokers of which each votes: one node is killed, then all stop, the last one too; what is kept is whole."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psutil
import pytest

import pilothouse as ph
from benchmarks.numbered import Numbered
from pilothouse import remains
from tests.waiting import eventually

pytestmark = [pytest.mark.engines, pytest.mark.nightly]
SMALL = {"heap": "192 MiB", "session_timeout": 4.0}
PATIENCE_S = 120.0


def brokers(kafka: Any) -> list[psutil.Process]:
    return [
        p for p in psutil.process_iter(["cmdline"])
        if "kafka.Kafka" in (p.info["cmdline"] or ()) and f"/{kafka.pilot}-" in p.info["cmdline"][-1]
    ]  # fmt: skip


def test_a_node_with_replicas_is_killed_and_the_last_to_stop_does_not_wait_for_the_others(
    tmp_path: Path, state_home: Path
) -> None:
    keep = str(tmp_path / "kafka")
    with ph.submit("local", name="voting", nodes=4, memory="1 GiB", lease="1h").wait(timeout=60) as pilot:
        kafka: Any = pilot.start("kafka", nodes=3, keep=keep, **SMALL).wait(timeout=PATIENCE_S)
        kafka.create("numbers", partitions=3)
        assert [member["role"] for member in kafka.members] == ["controller"] * 3
        with Numbered(kafka, "numbers", 3, rate=300) as numbered:
            eventually(lambda: numbered.acknowledged > 300, "messages", 30)
            lost = kafka.members[0]["node"]
            (node,) = [node for node in pilot.nodes if node.name == lost]
            for process in [psutil.Process(node.pid), *remains.marked(f"{lost}.")]:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            there = numbered.acknowledged
            eventually(lambda: numbered.acknowledged > there + 300, "messages from the other two", PATIENCE_S)
            eventually(lambda: lost not in kafka.nodes and len(kafka.nodes) == 3, "another one", PATIENCE_S)
            kafka.wait(timeout=PATIENCE_S)
        found = numbered.found()
        assert (found.lost, found.doubled, found.disordered, found.refused) == (0, 0, 0, 0), found
        left = brokers(kafka)
        assert len(left) == 3
        kafka.stop()
        assert not [process for process in left if remains.is_running(process)]
        again: Any = pilot.start("kafka", nodes=3, keep=keep, **SMALL).wait(timeout=PATIENCE_S)
        consumer, read = again.consumer("again"), 0
        consumer.subscribe(["numbers"])

        def all_read() -> bool:
            nonlocal read
            read += sum(message.error() is None for message in consumer.consume(5000, 0.05))
            return read >= found.acknowledged

        eventually(all_read, "all that was acknowledged", PATIENCE_S)
        consumer.close()
        assert read == found.acknowledged
        again.stop()
