"""Executables through a real RADICAL-Pilot, in an environment of its own that is made once and kept.

RADICAL-Pilot takes half a minute to start, so one run shows most of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pilothouse import remains
from pilothouse.errors import Failed, InvalidInput
from pilothouse.pilots import Pilot, submit
from pilothouse.pilots.queues import discovery
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
# On one worker: they start the same daemons, and look at all that are there.
pytestmark = [pytest.mark.batch, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("radical")]


@pytest.fixture(scope="session")
def radical() -> Path:
    """The folder of an environment with RADICAL-Pilot: the user's, else one in the cache."""
    if given := os.environ.get("PILOTHOUSE_RADICAL"):
        return Path(given)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["radical"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "pilothouse-tests" / "radical-{}.{}".format(*sys.version_info)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:  # tests of other checkouts may want it too
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole = folder / "whole"
        if not whole.exists() or whole.read_text() != str(wanted):
            uv = Path(sys.executable).with_name("uv")
            if not uv.exists():
                pytest.skip("no uv beside Python to make an environment for RADICAL-Pilot with")
            shutil.rmtree(folder, ignore_errors=True)
            python = folder / "bin" / "python"
            for command in (
                [uv, "venv", "--quiet", "--python", sys.executable, folder],
                [uv, "pip", "install", "--quiet", "--python", python, *wanted],
            ):
                done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
                if done.returncode:
                    pytest.skip(f"no environment for RADICAL-Pilot: {done.stderr[-500:]}")
            whole.write_text(str(wanted))
    return folder


@pytest.fixture
def pilot(radical: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pilot]:
    """A pilot with one node of two cores."""
    monkeypatch.setenv("PILOTHOUSE_RADICAL", str(radical))
    with submit("local", nodes=1, cores=2, memory="1 GiB").wait(timeout=60) as found:
        yield found


@pytest.fixture
def pair(radical: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pilot]:
    """A pilot with two nodes of one core."""
    monkeypatch.setenv("PILOTHOUSE_RADICAL", str(radical))
    with submit("local", nodes=2, cores=1, memory="1 GiB").wait(timeout=60) as found:
        yield found


def processes(home: Path) -> list[psutil.Process]:
    """What RADICAL-Pilot has started with this home, and what that has started."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(home) in value for value in process.environ().values()):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [each for each in found if remains.is_running(each)]


def traces() -> set[Path]:
    """What RADICAL-Pilot is known to leave in homes, where it is started, and in folders for temporary files."""
    names = ("radical*", ".radical*", ".psij*", "rp.*", "*.nodelist")
    roots = (Path.home(), Path.cwd(), Path(tempfile.gettempdir()))
    return {path for root in roots for name in names for path in root.glob(name)}


def test_executables_run_through_radical_pilot_on_two_nodes_and_nothing_is_left(pair: Pilot, tmp_path: Path) -> None:
    before = traces()
    start = tmp_path / "start=1.xyz"
    start.write_text("C 0 0 0\n")
    greeting = """it's "$HOME" `x`"""
    meet = "touch up; until test -e ../*1/up && test -e ../*0/up; do sleep 0.2; done"
    say = 'cat start* "$0" > end.xyz; echo "$GREETING $OMP_NUM_THREADS $HOME"; echo warned >&2'
    tasks = pair.map_execute(
        [
            ["sh", "-c", f"{meet}; {say}", start],
            ["sh", "-c", f"{meet}; echo no such molecule >&2; rm -f end.xyz; exit 3"],
        ],
        env={"GREETING": greeting}, inputs=[start], outputs=["end.xyz"], through="radical",
    )  # fmt: skip
    home = tasks.folder / "radical"
    eventually(lambda: "RADICAL-Pilot is up" in tasks.logs(), "RADICAL-Pilot", within=250)
    assert {path.name for path in home.iterdir()} == {node.name for node in pair.nodes}
    assert processes(home)  # what is to be gone later is seen now
    table = tasks.result(timeout=120)
    assert table["state"].values.tolist() == ["finished", "failed"]
    assert table["exit_code"].values.tolist() == [0, 3]
    assert [str(error) for error in table["error"].values] == ["", "exit code 3"]
    assert tasks.stdout(task=0) == f"{greeting} 1 {os.environ['HOME']}"
    assert tasks.stderr(task=0) == "warned"
    assert tasks.outputs_of(0)["end.xyz"].read_text() == "C 0 0 0\n" * 2
    assert tasks.stderr(task=1) == "no such molecule"
    assert tasks.failed == [1]
    assert {str(node) for node in table["node"].values} == {node.name for node in pair.nodes}
    assert float(tasks.telemetry["running"].max()) >= 1
    assert float(tasks.telemetry["done"][-1]) == 1
    assert not home.exists()
    assert not processes(home)
    assert traces() <= before


@pytest.mark.nightly
def test_what_fails_is_tried_again_and_told(pilot: Pilot) -> None:
    tasks = pilot.map_execute(
        [
            ["sh", "-c", 'echo "no such molecule $PILOTHOUSE_ATTEMPT" >&2; exit 3'],
            ["sh", "-c", "kill -SEGV $$"],
            ["sleep", "600"],
            ["true"],
        ],
        outputs=["end.xyz"], retries=1, timeout=15.0, through="radical",
    )  # fmt: skip
    table = tasks.result(timeout=360)
    assert table["state"].values.tolist() == ["failed"] * 4
    assert table["exit_code"].values[[0, 1, 3]].tolist() == [3, -11, 0]
    assert table["attempts"].values.tolist() == [2] * 4
    assert [str(error) for error in table["error"].values] == [
        "exit code 3", "it was ended by SIGSEGV", "it took longer than timeout=15 s",
        "it ended well but left no 'end.xyz'",
    ]  # fmt: skip
    assert tasks.stderr(task=0) == "no such molecule 2"


LOCAL = {
    "default_schema": "local",
    "schemas": {"local": {"job_manager_endpoint": "fork://localhost", "filesystem_endpoint": "file://localhost"}},
    "default_remote_workdir": "$HOME", "resource_manager": "FORK", "agent_config": "default",
    "agent_scheduler": "CONTINUOUS", "agent_spawner": "POPEN", "rp_version": "installed", "virtenv_mode": "local",
    "launch_methods": {"order": ["FORK"], "FORK": {}}, "fake_resources": True,
    "task_pre_exec": ["export CAMPUS=here"],
}  # fmt: skip
QUEUE = {"job_manager_endpoint": "slurm://localhost", "filesystem_endpoint": "file://localhost"}


@pytest.fixture
def campus(radical: Path, state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pilot]:
    """A pilot with two GPUs, whose user has described a resource."""
    for gpu in "01":
        (tmp_path / "gpus" / gpu).mkdir(parents=True)
    monkeypatch.setattr(discovery, "_GPUS", tmp_path / "gpus")  # two that this host may not have
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")  # as a batch system names those of a job
    settings = tmp_path / ".radical" / "pilot" / "configs" / "resource_campus.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"node": LOCAL, "queue": {**LOCAL, "schemas": {"local": QUEUE}}}))
    monkeypatch.setenv("RADICAL_CONFIG_USER_DIR", str(tmp_path))
    monkeypatch.setenv("PILOTHOUSE_RADICAL", str(radical))
    with submit("local", nodes=1, cores=2, gpus=2, memory="1 GiB").wait(timeout=60) as pilot:
        yield pilot


@pytest.mark.nightly
def test_a_resource_of_the_users_own_with_gpus(campus: Pilot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_RADICAL_RESOURCE", "campus.node")
    said = "echo $CUDA_VISIBLE_DEVICES $CAMPUS $RADICAL_CONFIG_USER_DIR"
    command = ["sh", "-c", f"{said}; touch up; until test -e ../*1/up; do sleep 1; done"]
    tasks = campus.map_execute([command] * 2, gpus=1, through="radical")
    assert tasks.result(timeout=250)["state"].values.tolist() == ["finished"] * 2
    assert sorted(tasks.stdout(task=number) for number in range(2)) == [f"{gpu} here {tmp_path}" for gpu in "57"]


@pytest.mark.nightly
def test_a_resource_that_will_not_do_is_refused(campus: Pilot, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, why in (("campus.queue", "submits jobs of its own"), ("campus.other", "knows no resource")):
        monkeypatch.setenv("PILOTHOUSE_RADICAL_RESOURCE", name)
        with pytest.raises(Failed, match=why):
            campus.execute(["true"], gpus=1, through="radical").result(timeout=120)


def test_what_is_killed_leaves_nothing_and_a_run_can_be_stopped_while_it_starts(pilot: Pilot) -> None:
    task = pilot.execute(["sleep", "600"], through="radical")
    home = task.folder / "radical"

    def started() -> list[int]:
        return [event["pid"] for event in task.events() if event["what"] == "process started"]

    eventually(lambda: len(processes(home)) > 2)
    first = set(processes(home))
    os.kill(started()[0], signal.SIGKILL)
    eventually(lambda: not first & set(processes(home)))
    eventually(lambda: len(started()) == 2)
    eventually(lambda: processes(home))
    task.stop()
    task.wait(30)
    assert task.exit_code is None
    assert not processes(home)
    assert not home.exists()


@pytest.mark.nightly
def test_what_a_node_had_that_leaves_or_whose_radical_pilot_dies_runs_again(pair: Pilot, tmp_path: Path) -> None:
    go = tmp_path / "go"
    tasks = pair.map_execute(
        [["sh", "-c", f"echo begun >> {tmp_path}/$PILOTHOUSE_TASK; until test -e {go}; do sleep 0.2; done"]] * 3,
        through="radical",
    )

    def begun() -> list[int]:
        return [path.read_text().count("begun") for path in sorted(tmp_path.glob("[0-2]"))]

    def left() -> list[str]:
        return [node.name for node in pair.nodes if not node.state.ended]

    eventually(lambda: begun() == [1, 1], "a task on each node", within=250)
    pair.shrink(1)
    eventually(lambda: "when " in tasks.logs(), "one is cut off", within=60)
    eventually(lambda: len(left()) == 1)
    [node] = left()
    bridges = [each for each in processes(tasks.folder / "radical" / node) if "bridge.py" in " ".join(each.cmdline())]
    for bridge in bridges:
        bridge.kill()
    eventually(lambda: tasks.logs().count(f"RADICAL-Pilot is up on {node}") == 2, "another one", within=250)
    eventually(lambda: sum(begun()) == 3)
    go.touch()
    table = tasks.result(timeout=120)
    assert table["state"].values.tolist() == ["finished"] * 3
    assert {str(each) for each in table["node"].values} == {node}
    assert table["attempts"].values.tolist() == [1] * 3
    assert f"{node} is gone (RADICAL-Pilot ended with -9" in tasks.logs()


def test_an_environment_without_it_is_refused(pilot: Pilot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_RADICAL", str(tmp_path))
    with pytest.raises(InvalidInput, match="is no environment with RADICAL-Pilot") as caught:
        pilot.execute(["true"], through="radical")
    assert caught.value.field == "through"
    assert pilot.runs() == []
