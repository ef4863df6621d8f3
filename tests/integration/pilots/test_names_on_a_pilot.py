"""A cell that is run again: the first one's files stay, on a real pilot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pilothouse as ph
from pilothouse.errors import Conflict, NotFound
from pilothouse.registry.records import RUNS

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot


def test_a_task_of_a_name_used_before_leaves_the_first_ones_files(local_pilot: Pilot) -> None:
    write = [sys.executable, "-c", "open('traj.trr', 'w').write('frames')"]
    first = local_pilot.execute(write, outputs=["traj.trr"], name="sim")
    path = first.result(timeout=60)["traj.trr"]
    ref = first.ref("traj.trr")
    with pytest.warns(UserWarning, match="this one is 'sim-2'"):
        second = local_pilot.execute([sys.executable, "-c", "raise SystemExit(3)"], name="sim")
    second.wait(timeout=60)
    assert (first.name, first.state, first.exit_code) == ("sim", "finished", 0)
    assert (second.name, second.state, second.exit_code) == ("sim-2", "failed", 3)
    assert path.read_text() == "frames"
    with pytest.raises(Conflict, match=r"ph.attach\('sim'\) finds it with its results"):
        local_pilot.execute(write, name="sim", exist="error")
    second.remove()
    with pytest.raises(NotFound):
        second.logs()
    first.remove()
    assert not path.exists()
    again = local_pilot.execute(write, outputs=["traj.trr"], name="sim")
    again.result(timeout=60)
    with pytest.raises(NotFound, match="was removed; a later one has its name"):
        ref.path()
    with pytest.raises(NotFound, match="was removed"):
        assert first.exit_code
    again.remove()


def test_a_name_that_goes_on_is_refused_whatever_has_it(local_pilot: Pilot) -> None:
    run = local_pilot.launch("count", {"to": 600}, name="going")
    for ask in (lambda: local_pilot.launch("count", {}, name="going"), lambda: ph.submit("local", name="going")):
        with pytest.raises(Conflict, match=r"a run of that name is going on; ph.attach\('going'\) finds it"):
            ask()
    with pytest.raises(Conflict, match="a pilot of that name is going on"):
        local_pilot.launch("count", {}, name=local_pilot.name)
    with pytest.raises(Conflict, match=r"ph.attach\('going'\).stop\(\)"):
        run.remove()
    run.stop()
    run.remove()


def test_a_launch_that_is_refused_leaves_neither_run_nor_name(local_pilot: Pilot) -> None:
    with pytest.raises(ph.errors.InvalidInput, match="no such kind of run"):
        local_pilot.launch("nonsense", {}, name="refused")
    assert not RUNS.path("refused").exists()
    assert local_pilot.launch("count", {"to": 1}, name="refused", exist="error").result(timeout=60)
    ph.attach("refused").remove()


def test_a_pilot_of_a_name_used_before_is_numbered_and_both_can_be_removed(
    state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pilothouse.cli import main

    with ph.submit("local", name="anna").wait(timeout=60) as first:
        run = first.launch("count", {"to": 1}, name="counted")
        run.result(timeout=60)
        with pytest.raises(Conflict, match=r"the pilot 'anna' is running: end it first"):
            first.remove()
    with pytest.warns(UserWarning, match="that of a pilot"):
        second = ph.submit("local", name="anna")
    with second:
        assert second.name == "anna-2"
        assert second.runs() == []
        assert [run.name for run in first.runs()] == ["counted"]
    assert main(["remove", "anna"]) == 0
    assert main(["remove", "anna-2"]) == 0
    assert capsys.readouterr().out == ""
    assert ph.pilots() == []
    assert run.result() == ph.attach("counted").result()


DEFAULT = "from pilothouse.pilots.submission import default_pilot; print(default_pilot().name)"


def test_processes_that_want_the_default_pilot_at_once_get_one(state_home: Path) -> None:
    for expected in ("local", "local-2"):
        asking = [
            subprocess.Popen([sys.executable, "-c", DEFAULT], stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        names = {process.communicate(timeout=120)[0].strip() for process in asking}
        assert names == {expected}
        ph.Pilot(expected).cancel()
    assert {pilot.name for pilot in ph.pilots()} == {"local", "local-2"}
