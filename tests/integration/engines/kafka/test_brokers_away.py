"""Changes of a Kafka that are asked for while one of its brokers is away for a moment."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import pilothouse as ph
from benchmarks.numbered import Numbered
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.kafka.service import KafkaService

pytestmark = pytest.mark.engines
SMALL = {"heap": "192 MiB", "session_timeout": 4.0}
PATIENCE_S = 120.0


def java(service: KafkaService, member: int) -> psutil.Process:
    """A member's broker."""
    return next(
        p for p in psutil.process_iter(["cmdline"])
        if "kafka.Kafka" in (p.info["cmdline"] or ()) and f"/{service.pilot}-" in p.info["cmdline"][-1]
        and f"/{service.name}-{member}/" in p.info["cmdline"][-1]
    )  # fmt: skip


def leader(service: KafkaService, topic: str) -> int:
    found: int = service.client().list_topics(topic, timeout=10).topics[topic].partitions[0].leader
    return found


def test_a_shrink_waits_for_a_broker_without_which_a_partition_has_no_leader_and_says_so() -> None:
    with ph.submit("local", name="away", nodes=3, memory="1 GiB", lease="1h").wait(timeout=60) as pilot:
        kafka: Any = pilot.start("kafka", nodes=1, **SMALL).wait(timeout=PATIENCE_S)
        for number in range(3):
            kafka.create(f"single-{number}", partitions=1)
        kafka.extend(2).wait(timeout=PATIENCE_S)
        topic = next(name for name in kafka.topics() if leader(kafka, name) != 1)  # it has moved there
        away = leader(kafka, topic)
        with Numbered(kafka, topic, 1, rate=300) as numbered:
            eventually(lambda: numbered.acknowledged > 300, "messages", 30)
            victim = java(kafka, away)
            victim.send_signal(signal.SIGSTOP)  # one that is killed may be back before it is missed
            eventually(lambda: leader(kafka, topic) == -1, "the controllers' notice of it", PATIENCE_S)
            kafka.shrink(2)
            eventually(lambda: f"waits for broker {away} on " in kafka.reason, "the reason", PATIENCE_S)
            victim.kill()
            kafka.wait(timeout=PATIENCE_S)
        assert len(kafka.nodes) == 1
        assert "waits for" not in kafka.reason
        found = numbered.found()
        assert found.acknowledged > 300
        assert (found.lost, found.doubled, found.disordered, found.refused) == (0, 0, 0, 0), found
        kafka.stop()
