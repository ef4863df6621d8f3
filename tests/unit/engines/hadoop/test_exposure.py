from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.engines.hadoop import exposure
from pilothouse.errors import Refused
from pilothouse.registry.records import PilotRecord
from pilothouse.state import utcnow

#: A number of an account that nobody has.
SOMEBODY = 54_321


def pilot(site: str, **description: Any) -> PilotRecord:
    return PilotRecord(name="p", site=site, created=utcnow(), description=description)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposure, "others", set)


@pytest.fixture
def somebody() -> Iterator[None]:
    """A process of another account on this host."""
    if os.getuid():
        pytest.skip("needs root, to start a process of another account")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=SOMEBODY, group=SOMEBODY, cwd="/") as process:
        yield
        process.kill()


@pytest.mark.usefixtures("alone")
def test_a_host_of_ones_own_will_do() -> None:
    exposure.check(pilot("local"), "HDFS", unprotected=False)


@pytest.mark.usefixtures("somebody")
def test_a_host_with_another_persons_process_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused) as raised:
        exposure.check(pilot("local"), "HDFS", unprotected=False)
    for words in ("believes what clients say", f"user {SOMEBODY}", "exclusive=True", "unprotected=True"):
        assert words in str(raised.value)
    exposure.check(pilot("local"), "HDFS", unprotected=True)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("description", "refused"),
    [
        ({}, True),
        ({"exclusive": False}, True),
        ({"exclusive": True}, False),
        ({"exclusive": True, "kinds": {"gpu": {"nodes": 1}}}, False),  # the kind has what the others have
        ({"exclusive": True, "kinds": {"gpu": {"exclusive": False}}}, True),
        ({"exclusive": False, "kinds": {"gpu": {"exclusive": True}}}, True),
    ],
)
def test_nodes_of_a_batch_system_are_ones_own_when_that_was_asked_for(
    description: dict[str, Any], refused: bool
) -> None:
    assert bool(exposure.shared(pilot("slurm", **description))) == refused
    exposure.check(pilot("slurm", **description), "HDFS", unprotected=True)
