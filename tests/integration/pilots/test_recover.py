"""A local pilot whose supervisor was killed goes on under another one."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import Conflict
from pilothouse.registry.history import all_nodes
from pilothouse.registry.records import PILOTS
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


def test_a_supervisor_says_that_it_comes_before_it_imports_what_takes_long(
    state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "distributed.py").write_text("import time; time.sleep(600)\n")
    monkeypatch.syspath_prepend(str(tmp_path))  # which a supervisor has, too
    with ph.submit("local", nodes=1) as pilot:
        supervisor = eventually(lambda: PILOTS.read(pilot.name).supervisor, "the word of its supervisor")
        assert pilot.record.heartbeat is None
        psutil.Process(supervisor.pid).kill()
        eventually(lambda: pilot.state == "lost", "the loss")
        assert f"process {supervisor.pid} on" in pilot.reason
