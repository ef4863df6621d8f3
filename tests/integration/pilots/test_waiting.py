from __future__ import annotations

import threading

import pytest

import pilothouse as ph
from pilothouse.errors import WaitTimeout
from pilothouse.registry.line import client as control
from tests.waiting import eventually


def test_who_waits_for_nodes_is_told_and_does_not_ask_again_and_again(
    local_pilot: ph.Pilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    connect = control._connect

    def counted(*arguments: object) -> object:
        asked.append(arguments)
        return connect(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(control, "_connect", counted)
    with pytest.raises(WaitTimeout, match="2 of 3 nodes running"):
        local_pilot.wait(nodes=3, timeout=3.0)
    assert len(asked) < 20  # two a look: is it alive, and has it changed


def test_a_change_ends_the_wait_at_once(local_pilot: ph.Pilot) -> None:
    waiting = threading.Thread(target=local_pilot.wait, kwargs={"nodes": 3, "timeout": 120})
    waiting.start()
    local_pilot.extend(1)
    waiting.join(120)
    assert not waiting.is_alive()
    assert sum(node.state == "running" for node in local_pilot.nodes) == 3
    local_pilot.shrink(1)
    eventually(lambda: sum(not node.state.ended for node in local_pilot.nodes) == 2, "two nodes, as there were")
