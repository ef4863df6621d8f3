"""Many executables: packed on nodes, counted, retried, and not lost with a node, a launcher or a kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Conflict, InvalidInput
from pilothouse.pilots import Pilot
from pilothouse.registry.records import RUNS, State
from pilothouse.tasks.handle import Task
from tests.waiting import eventually

#: Says when it ran, by a clock that all processes of a host share.
SPELL = "import sys, time; a = time.monotonic(); time.sleep(float(sys.argv[1])); print(a, time.monotonic())"


def spell(task: Task, number: int | None = None) -> tuple[float, float]:
    begin, end = map(float, task.stdout(task=number).split())
    return begin, end


@pytest.fixture
def own_pilot(state_home: Path) -> Iterator[Pilot]:
    with ph.submit("local", name="own", nodes=2, cores=2).wait(timeout=60) as pilot:
        yield pilot


def test_five_hundred_with_progress_and_one_that_fails(local_pilot: Pilot) -> None:
    script = "echo {i} > number; test {i} != 17 || {{ echo wrong seed >&2; exit 5; }}"
    tasks = local_pilot.map_execute(["sh", "-c", script], [{"i": i} for i in range(500)], outputs=["number"])
    table = tasks.result(timeout=200)
    assert dict(table.sizes) == {"task": 500}
    assert tasks.failed == [17]
    assert int((table["state"] == "finished").sum()) == 499
    assert int(table["exit_code"][17]) == 5
    assert table["i"].values.tolist() == list(range(500))
    assert set(table["node"].values) == {node.name for node in local_pilot.nodes if node.state == "running"}
    assert tasks.state == "failed"
    assert tasks.reason.startswith("1 of 500 tasks failed: task 17 ")
    assert "wrong seed" in tasks.reason
    assert "wrong seed" in tasks.logs()
    assert tasks.stderr(task=17) == "wrong seed"
    assert tasks.outputs_of(3)["number"].read_text() == "3\n"
    assert tasks.progress == {"done": 500, "total": 500, "unit": "tasks"}
    samples = tasks.telemetry
    assert float(samples["done"][-1]) == 499
    assert (samples["done"].diff("time") >= 0).all()
    again = tasks.retry()
    assert again.result(timeout=60).sizes["task"] == 1
    assert again.failed == [0]


def test_nothing_is_left_of_what_printed_nothing(local_pilot: Pilot) -> None:
    tasks = local_pilot.map_execute([["true"]] * 50)
    tasks.result(timeout=60)
    assert not [path for path in tasks.folder.rglob("*") if path.parent.name in ("work", "printed")]
    with pytest.raises(Conflict, match="nothing to retry"):
        tasks.retry()


def test_as_many_run_as_there_are_cores(local_pilot: Pilot) -> None:
    three = [local_pilot.execute([sys.executable, "-c", SPELL, "1.5"]) for _ in range(3)]
    spells = [spell(task) for task in three if task.result(timeout=60) is not None]
    assert spells[0][0] < spells[1][1]
    assert spells[1][0] < spells[0][1]  # the first two together, on a node each
    assert len({str(task.tasks["node"][0].item()) for task in three[:2]}) == 2
    assert spells[2][0] > min(spells[0][1], spells[1][1])  # the third when there was room


def test_a_big_task_comes_to_its_turn(own_pilot: Pilot) -> None:
    many = own_pilot.map_execute([[sys.executable, "-c", SPELL, "0.4"]] * 16)
    eventually(lambda: own_pilot.runs()[0].progress)
    big = own_pilot.execute([sys.executable, "-c", SPELL, "0.1"], cores=2)
    late = own_pilot.map_execute([[sys.executable, "-c", SPELL, "0.4"]] * 16)
    for run in (many, big, late):
        run.result(timeout=100)
    assert spell(big)[0] < sorted(spell(late, i)[0] for i in range(16))[8]


def test_a_task_gets_the_cores_that_it_asked_for(own_pilot: Pilot) -> None:
    pair = [own_pilot.execute([sys.executable, "-c", SPELL, "1"], cores=2) for _ in range(3)]
    for task in pair:
        task.result(timeout=60)
    begins, ends = zip(*map(spell, pair), strict=True)
    assert begins[2] > min(ends[:2])
    shown = own_pilot.execute(["sh", "-c", "echo $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS"], cores=2)
    shown.result(timeout=60)
    assert shown.stdout() == "2 2"
    with pytest.raises(InvalidInput, match="cores=3: the nodes of the pilot 'own' have 2 at most"):
        own_pilot.execute(["true"], cores=3)


def test_a_node_that_dies_takes_no_task_with_it(own_pilot: Pilot, tmp_path: Path) -> None:
    script = f"echo {{i}} >> {tmp_path}/began; sleep 2; echo {{i}} >> {tmp_path}/ended"
    tasks = own_pilot.map_execute(["sh", "-c", script], [{"i": i} for i in range(4)])
    eventually(lambda: (tmp_path / "began").exists() and len((tmp_path / "began").read_text().split()) == 4)
    victim = next(node for node in own_pilot.nodes if node.state == "running")
    os.kill(victim.pid, signal.SIGKILL)
    table = tasks.result(timeout=100)
    assert tasks.failed == []
    assert set(table["attempts"].values) == {1}  # a lost node does not count
    assert sorted((tmp_path / "ended").read_text().split()) == ["0", "1", "2", "3"]
    assert len((tmp_path / "began").read_text().split()) == 6
    assert victim.name in tasks.logs()


def test_a_launcher_that_is_killed_leaves_nothing(own_pilot: Pilot, tmp_path: Path) -> None:
    task = own_pilot.execute(
        ["sh", "-c", f"echo $$ >> {tmp_path}/pids; test $(wc -l < {tmp_path}/pids) = 2 || sleep 300"]
    )
    eventually(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().strip())
    first = psutil.Process(int((tmp_path / "pids").read_text()))
    launcher = next(event["pid"] for event in task.events() if event["what"] == "process started")
    os.kill(launcher, signal.SIGKILL)
    task.result(timeout=60)
    assert len((tmp_path / "pids").read_text().split()) == 2
    assert not remains.is_running(first)


def test_a_pilot_that_ends_leaves_no_task(own_pilot: Pilot) -> None:
    task = own_pilot.execute(["sh", "-c", "trap '' TERM; setsid sleep 300 & echo $! > away; sleep 300"])
    eventually(lambda: (task.work / "away").exists() and (task.work / "away").read_text().strip())
    pid = int((task.work / "away").read_text())
    own_pilot.cancel()
    assert not remains.lives(pid)
    assert task.state == "finished"


def test_tasks_outlive_the_process_that_launched_them(local_pilot: Pilot) -> None:
    code = (
        "import pilothouse as ph\n"
        f"tasks = ph.attach({local_pilot.name!r}).map_execute([['sh', '-c', 'sleep 0.2; pwd']] * 10, name='orphans')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    tasks = ph.attach("orphans")
    assert isinstance(tasks, Task)
    table = tasks.result(timeout=60)
    assert table.sizes["task"] == 10
    assert tasks.stdout(task=9).endswith("/work/00009")


def test_what_has_ended_is_not_run_again(local_pilot: Pilot, tmp_path: Path) -> None:
    """As a second supervisor finds it: some ends are on record, the last line is cut off."""
    from pilothouse.registry.line import client as control

    script = ["sh", "-c", f"echo {{i}} >> {tmp_path}/ran"]
    tasks = local_pilot.map_execute(script, [{"i": i} for i in range(4)])
    tasks.result(timeout=60)
    lines = (tasks.folder / "tasks.jsonl").read_text().splitlines(keepends=True)
    (tasks.folder / "tasks.jsonl").write_text("".join(lines[:2]) + lines[2][:20])
    kept = {json.loads(line)["task"] for line in lines[:2]}
    (tmp_path / "ran").unlink()
    record = tasks.record
    record.state, record.ended = State.STARTING, None
    RUNS.write(record)
    control.call(local_pilot.record, "launch", name=tasks.name)
    assert tasks.result(timeout=60)["state"].values.tolist() == ["finished"] * 4
    assert {int(line) for line in (tmp_path / "ran").read_text().split()} == set(range(4)) - kept


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["ls -l"], "argv"),
        (["ls", "-l"], "argv"),
        (["true"], "argv"),
        ([], "commands"),
        ("true", "commands"),
    ],
)
def test_bad_commands(local_pilot: Pilot, arguments: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        local_pilot.map_execute(arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("parameters", [[], [3], [{"a": 1}], [{1: 2}], [{"i": object()}]])
def test_bad_parameters(local_pilot: Pilot, parameters: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        local_pilot.map_execute(["echo", "{i}"], parameters)
    assert caught.value.field == "parameters"


def test_one_of_many_has_to_be_named(local_pilot: Pilot) -> None:
    tasks = local_pilot.map_execute([["echo", "a"], ["echo", "b"]])
    tasks.result(timeout=60)
    assert tasks.stdout(task=1) == "b"
    for wrong in (None, 2, -1, True):
        with pytest.raises(InvalidInput) as caught:
            tasks.stdout(task=wrong)
        assert caught.value.field == "task"
