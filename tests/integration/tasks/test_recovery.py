"""A supervisor that is killed: what has ended stays so, the rest is run by its successor."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import pilothouse as ph
from tests.waiting import eventually


@pytest.mark.slow
def test_tasks_go_on_under_the_next_supervisor(state_home: Path, tmp_path: Path) -> None:
    with ph.submit("local", name="mortal", nodes=2).wait(timeout=60) as pilot:
        script = ["sh", "-c", f"echo {{i}} >> {tmp_path}/ran; sleep 0.5"]
        tasks = pilot.map_execute(script, [{"i": i} for i in range(20)])
        eventually(lambda: "finished" in tasks.tasks["state"].values)
        supervisor = pilot.record.supervisor
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        eventually(lambda: pilot.state == "lost")
        done = {int(number) for number in tasks.tasks["task"][tasks.tasks["state"] == "finished"]}
        assert done
        pilot.recover().wait(timeout=60)
        assert pilot.not_recovered == []
        assert set(tasks.result(timeout=100)["state"].values) == {"finished"}
        ran = [int(line) for line in (tmp_path / "ran").read_text().split()]
        assert set(ran) == set(range(20))
        assert all(ran.count(i) == 1 for i in done)
