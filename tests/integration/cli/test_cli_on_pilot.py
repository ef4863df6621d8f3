from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pilothouse as ph

COMMAND = [sys.executable, "-m", "pilothouse.cli"]


def cli(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, timeout=120)


def test_a_shell_sees_and_changes_what_python_started(local_pilot: ph.Pilot) -> None:
    found = {each["name"]: each for each in json.loads(cli("pilots", "--json").stdout)}
    assert found["tests"]["state"] == "running"
    done = cli("extend", "tests", "--json")
    assert done.stderr == '# ph.attach("tests").extend()\n'
    assert json.loads(done.stdout)["name"] == "tests"
    assert local_pilot.record.nodes_wanted == 3
    assert cli("shrink", "tests").returncode == 0
    assert local_pilot.record.nodes_wanted == 2
    assert cli("events", "tests").stdout.splitlines()[0].split()[0] == "time"
    assert "supervisor" in cli("logs", "tests", "--tail", "3").stdout or local_pilot.logs() == ""


def test_python_sees_what_a_shell_started(state_home: Path) -> None:
    done = cli("submit", "local", "--name", "shelled", "--wait", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "shelled"
    assert [pilot.name for pilot in ph.pilots()] == ["shelled"]
    taken = cli("submit", "local", "--name", "shelled")
    assert taken.returncode == 1
    assert "pilothouse: name='shelled'" in taken.stderr
    assert cli("cancel", "shelled").returncode == 0
    assert ph.attach("shelled").state == "finished"


def test_attach_shows_status_and_an_interrupt_says_what_goes_on(local_pilot: ph.Pilot) -> None:
    process = subprocess.Popen([*COMMAND, "attach", "tests"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("tests: running; nodes: ")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "tests goes on; 'pilothouse cancel tests' ends it." in errors
    assert "Traceback" not in errors
    assert local_pilot.state == "running"


def test_a_shell_asks_for_kinds_of_nodes_and_extends_one_of_them(state_home: Path) -> None:
    kind = "big:nodes=2,memory=128MiB,resources={'BIG': 1}"
    done = cli("submit", "local", "--name", "mixed", "--memory", "128 MiB", "--kind", kind, "--wait", "--json")
    assert done.returncode == 0, done.stderr
    pilot = ph.attach("mixed")
    assert isinstance(pilot, ph.Pilot)
    assert pilot.record.wanted == {"node": 1, "big": 2}
    assert pilot.client().submit(sum, [1, 2], resources={"BIG": 1}).result(timeout=30) == 3
    assert cli("shrink", "mixed", "1", "--kind", "big").returncode == 0
    assert pilot.record.wanted == {"node": 1, "big": 1}
    refused = cli("extend", "mixed", "--kind", "huge")
    assert "kind='huge': this pilot has no such kind of node; it has 'node', 'big'" in refused.stderr
    assert cli("cancel", "mixed").returncode == 0


def test_what_runs_an_executable_may_be_chosen_in_a_shell(local_pilot: ph.Pilot) -> None:
    done = cli("execute", "--through", "pilothouse", "--run-name", "chosen", "tests", "true")
    assert done.stderr.startswith('# ph.attach("tests").execute(["true"], through="pilothouse", name="chosen")')
    failed = cli("execute", "tests", "--wait", "--", "sh", "-c", "exit 3")
    assert failed.returncode == 3, failed.stderr
    wrong = cli("execute", "--through", "magic", "tests", "true")
    assert wrong.returncode == 1
    assert "through='magic'" in wrong.stderr
