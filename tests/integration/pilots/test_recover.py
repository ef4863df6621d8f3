"""A local pilot whose supervisor was killed goes on under another one."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import Conflict
from pilothouse.registry.history import all_nodes
from tests.waiting import eventually


def test_a_lost_pilot_has_its_nodes_again(state_home: Path) -> None:
    with ph.submit("local", name="twice", nodes=2).wait(timeout=60) as pilot:
        with pytest.raises(Conflict, match="only a lost one"):
            pilot.recover()
        before = {node.name for node in pilot.nodes}
        assert pilot.record.supervisor is not None
        psutil.Process(pilot.record.supervisor.pid).kill()
        eventually(lambda: pilot.state == "lost")
        pilot.recover().wait(timeout=60)
        assert pilot.client().submit(sum, [1, 2]).result(timeout=30) == 3
        states = {node.name: str(node.state) for node in all_nodes(pilot.record)}
        assert {states[name] for name in before} == {"failed"}
        assert sorted(states.values()) == ["failed", "failed", "running", "running"]
        assert pilot.record.generation == 2
