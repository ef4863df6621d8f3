"""A broker's figures from its files: counters only go up, whatever is moved, removed or started again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.engines.kafka import figures
from pilothouse.engines.kafka.figures import OFFSETS, Figures


class Metadata:
    """Stands in for a client of librdkafka: what it is told of the cluster, as a test says."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[int, tuple[int, list[int], list[int]]]] = {}

    def list_topics(self, timeout: float) -> Any:
        return SimpleNamespace(
            topics={
                name: SimpleNamespace(
                    partitions={
                        number: SimpleNamespace(leader=leader, replicas=replicas, isrs=isrs)
                        for number, (leader, replicas, isrs) in partitions.items()
                    }
                )
                for name, partitions in self.topics.items()
            }
        )


class Node:
    def __init__(self, data: Path) -> None:
        self.data, self.metadata, self.written, self.process = data, Metadata(), 0, 1
        self.figures = Figures(1, data, self.metadata)  # type: ignore[arg-type]
        self.offsets: dict[str, int] = {}

    def log(self, partition: str, size: int, offset: int) -> None:
        folder = self.data / partition
        folder.mkdir(exist_ok=True)
        (folder / "0.log").write_bytes(b"x" * size)
        self.offsets[partition] = offset
        lines = [f"{name.rpartition('-')[0]} {name.rpartition('-')[2]} {at}" for name, at in self.offsets.items()]
        (self.data / OFFSETS).write_text("\n".join(["0", str(len(lines)), *lines]) + "\n")

    def now(self) -> dict[str, float]:
        return dict(self.figures.now(self.process))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path)
    monkeypatch.setattr(figures, "_written", lambda process: made.written)
    return made


def test_what_came_since_the_first_look_is_counted(node: Node) -> None:
    node.metadata.topics = {"t": {0: (1, [1], [1])}}
    node.log("t-0", 1000, 10)
    assert node.now()["bytes_in"] == 0
    node.log("t-0", 1500, 15)
    node.written = 500 + 700
    found = node.now()
    assert (found["bytes_in"], found["messages_in"], found["bytes_out"]) == (500, 5, 700)
    assert found["disk_used"] == 1500


def test_what_retention_removes_was_there_all_the_same(node: Node) -> None:
    node.metadata.topics = {"t": {0: (1, [1], [1])}}
    for size in (1000, 1500, 200, 300):
        node.log("t-0", size, size)
        found = node.now()
    assert found["bytes_in"] == 600
    assert found["messages_in"] == 600


def test_what_comes_to_a_new_partition_before_the_next_look_is_counted(node: Node) -> None:
    node.now()
    node.metadata.topics = {"new": {0: (1, [1], [1])}}
    node.log("new-0", 700, 7)
    assert (node.now()["bytes_in"], node.now()["messages_in"]) == (700, 7)


def test_a_partition_that_moves_here_brings_nothing_in(node: Node) -> None:
    node.metadata.topics = {"t": {0: (2, [2], [2])}}
    node.now()
    node.metadata.topics = {"t": {0: (1, [1], [1])}}
    node.log("t-0", 900, 9)
    assert node.now()["bytes_in"] == 0
    node.log("t-0", 1000, 10)
    assert (node.now()["bytes_in"], node.now()["messages_in"]) == (100, 1)


def test_a_copy_whose_offset_is_told_later_brings_no_messages_in(node: Node) -> None:
    """Kafka writes down how far partitions are every two seconds: a small one is here, and led, before that."""
    node.metadata.topics = {"t": {0: (2, [2], [2])}}
    node.log("t-0", 0, 0)
    node.now()
    node.metadata.topics = {"t": {0: (1, [1], [1])}}
    log, now = node.data / "t-0" / "0.log", time.time()
    log.write_bytes(b"x" * 900)
    os.utime(log, (now + 10, now + 10))
    node.now()
    node.log("t-0", 900, 9)
    os.utime(node.data / OFFSETS, (now + 11, now + 11))
    assert (node.now()["bytes_in"], node.now()["messages_in"]) == (0, 0)
    node.log("t-0", 1000, 10)
    assert (node.now()["bytes_in"], node.now()["messages_in"]) == (100, 1)


def test_copies_are_not_what_came_in(node: Node) -> None:
    node.metadata.topics = {"t": {0: (2, [2, 1], [2, 1]), 1: (1, [1, 2], [1])}}
    node.log("t-0", 0, 0), node.log("t-1", 0, 0)
    node.now()
    node.log("t-0", 900, 9)
    found = node.now()
    assert found["bytes_in"] == 0
    assert (found["partitions"], found["leaders"], found["under_replicated"]) == (2, 1, 1)


def test_a_broker_that_is_started_again_takes_nothing_back(node: Node) -> None:
    node.metadata.topics = {"t": {0: (1, [1], [1])}}
    node.log("t-0", 0, 0)
    node.now()
    node.written = 5000
    assert node.now()["bytes_out"] == 5000
    node.process, node.written = 2, 100
    assert node.now()["bytes_out"] == 5000
    node.written = 300
    assert node.now()["bytes_out"] == 5200


def test_an_empty_folder_has_figures(node: Node) -> None:
    assert node.now()["disk_used"] == 0
