"""Nodes of two minutes on a real Slurm: services are on the next ones before, and nobody who uses them notices."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.numbered import Numbered
from tests.slurm.login_node import LoginNode
from tests.waiting import eventually

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
PATIENCE_S = 240.0
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def test_a_kafka_and_a_spark_outlive_the_walltimes_of_all_their_nodes(hosts: LoginNode) -> None:
    pilot = hosts.submit(nodes=2, cores=2, memory="1900 MiB", walltime="2min", lease="30m", name="brief")
    spark: Any = pilot.wait(timeout=120).start("spark", nodes=1, cores=1, memory="512 MiB", daemon_memory="256 MiB")
    kafka: Any = pilot.start("kafka", nodes=2, heap="192 MiB", session_timeout=4.0)
    session = spark.wait(timeout=PATIENCE_S).client(
        {
            "spark.driver.memory": "512m", "spark.driver.extraJavaOptions": BRIEF,
            "spark.executor.extraJavaOptions": BRIEF,
        }
    )  # fmt: skip

    def total() -> int:
        return int(session.sparkContext.parallelize(range(100), 2).sum())

    kafka.wait(timeout=PATIENCE_S).create("numbers", partitions=4)
    first = {*kafka.nodes, *spark.nodes}
    with Numbered(kafka, "numbers", 4, rate=200) as numbered:
        eventually(lambda: numbered.acknowledged > 200, "messages", PATIENCE_S)

        def have_moved() -> bool:
            assert total() == 4950
            return not first & {*kafka.nodes, *spark.nodes}

        eventually(have_moved, "services on other nodes", PATIENCE_S)
        kafka.wait(timeout=PATIENCE_S)
        spark.wait(timeout=PATIENCE_S)
        there = numbered.acknowledged
        eventually(lambda: numbered.acknowledged > there + 200, "messages from there", PATIENCE_S)
        assert total() == 4950
    found = numbered.found()
    assert (found.lost, found.doubled, found.disordered, found.refused) == (0, 0, 0, 0), found
    session.stop()
    for service in (kafka, spark):
        assert "member died" not in [event["what"] for event in service.events()]
        service.stop()
    pilot.cancel()
