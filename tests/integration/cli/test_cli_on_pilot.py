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
