"""Nodes of two minutes on a real Slurm: a Kafka is on the next ones before, and nobody who uses it notices."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.numbered import Numbered
from tests.slurm.login_node import LoginNode
from tests.waiting import eventually

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
PATIENCE_S = 240.0


def test_a_kafka_outlives_the_walltimes_of_all_its_nodes(hosts: LoginNode) -> None:
    pilot = hosts.submit(nodes=2, cores=2, memory="1900 MiB", walltime="2min", lease="30m", name="brief")
    kafka: Any = pilot.wait(timeout=120).start("kafka", nodes=2, heap="192 MiB", session_timeout=4.0)
    kafka.wait(timeout=PATIENCE_S).create("numbers", partitions=4)
    first = set(kafka.nodes)
    with Numbered(kafka, "numbers", 4, rate=200) as numbered:
        eventually(lambda: numbered.acknowledged > 200, "messages", PATIENCE_S)
        eventually(lambda: not first & set(kafka.nodes), "brokers on other nodes", PATIENCE_S)
        kafka.wait(timeout=PATIENCE_S)
        there = numbered.acknowledged
        eventually(lambda: numbered.acknowledged > there + 200, "messages from there", PATIENCE_S)
    found = numbered.found()
    assert (found.lost, found.doubled, found.disordered, found.refused) == (0, 0, 0, 0), found
    assert "member died" not in [event["what"] for event in kafka.events()]
    kafka.stop()
    pilot.cancel()
