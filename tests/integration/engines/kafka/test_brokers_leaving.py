"""Nodes that leave together: what they have, and their votes, go to those that stay; nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import pilothouse as ph
from benchmarks.numbered import Numbered
from pilothouse.engines.kafka.administration import Administration
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.kafka.service import KafkaService

pytestmark = [pytest.mark.engines, pytest.mark.nightly]
SMALL = {"heap": "192 MiB", "session_timeout": 4.0}
PATIENCE_S = 120.0


def events(service: KafkaService) -> list[str]:
    return [event["what"] for event in service.events()]


def voters(service: KafkaService) -> set[int]:
    with Administration(service.address.split(","), service.secrets["password"]) as cluster:
        return set(cluster.quorum().voters)


def faults(*sent: Numbered) -> list[Any]:
    """What was found where something is lost, doubled, out of order or refused, or nothing was acknowledged."""
    found = [each.found() for each in sent]
    return [
        each for each in found
        if not each.acknowledged or (each.lost, each.doubled, each.disordered, each.refused) != (0, 0, 0, 0)
    ]  # fmt: skip


def test_two_of_three_nodes_leave_together_and_the_third_has_all_until_others_come() -> None:
    with ph.submit("local", name="leaving", nodes=3, memory="1 GiB", lease="1h").wait(timeout=60) as pilot:
        kafka: Any = pilot.start("kafka", nodes=3, **SMALL).wait(timeout=PATIENCE_S)
        kafka.create("safe", partitions=3)
        kafka.create("single", partitions=6, replication=1)
        with Numbered(kafka, "safe", 3, rate=200) as safe, Numbered(kafka, "single", 6, rate=200) as single:
            eventually(lambda: min(safe.acknowledged, single.acknowledged) > 200, "messages", 30)
            pilot.shrink(2)
            eventually(lambda: events(kafka).count("member left") == 2, "their departure", PATIENCE_S)
            assert "1 of 3 nodes serve; waits for a node of the pilot" in kafka.reason
            there = safe.acknowledged, single.acknowledged
            eventually(lambda: safe.acknowledged > there[0] + 200, "messages to the one that stays", 30)
            eventually(lambda: single.acknowledged > there[1] + 200, "messages to the one that stays", 30)
            (stays,) = [member["number"] for member in kafka.members]
            assert voters(kafka) == {stays}
            pilot.extend(2)
            eventually(lambda: len(kafka.nodes) == 3, "others", PATIENCE_S)
            kafka.wait(timeout=PATIENCE_S)
            assert voters(kafka) == {member["number"] for member in kafka.members}
        assert faults(safe, single) == []
        assert not {"release failed", "leave failed", "messages lost", "lost begins"} & {*events(kafka)}
        kafka.stop()


def test_all_nodes_leave_together_and_those_that_come_meanwhile_have_all() -> None:
    with ph.submit("local", name="followed", nodes=2, memory="1 GiB", lease="1h").wait(timeout=60) as pilot:
        kafka: Any = pilot.start("kafka", nodes=2, **SMALL).wait(timeout=PATIENCE_S)
        kafka.create("single", partitions=4, replication=1)
        first = set(kafka.nodes)
        with Numbered(kafka, "single", 4, rate=200) as single:
            eventually(lambda: single.acknowledged > 200, "messages", 30)
            pilot.shrink(2)
            eventually(lambda: "0 of 2 nodes serve" in kafka.reason, "the notice of it", 30)
            pilot.extend(2)
            eventually(lambda: events(kafka).count("member left") == 2, "their departure", PATIENCE_S)
            kafka.wait(timeout=PATIENCE_S)
            assert not first & set(kafka.nodes)
        assert faults(single) == []
        assert not {"release failed", "leave failed", "messages lost", "lost begins"} & {*events(kafka)}
        kafka.stop()
