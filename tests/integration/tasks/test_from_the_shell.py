"""``pilothouse execute``: the same from a shell."""

from __future__ import annotations

import json
import subprocess
import sys

import pilothouse as ph
from pilothouse.pilots import Pilot


def test_execute(local_pilot: Pilot) -> None:
    command = [sys.executable, "-m", "pilothouse.cli", "execute", "--json", "--run-name", "executed", local_pilot.name]
    command += ["sh", "-c", "echo $0 $1", "a", "--b"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.startswith(f'# ph.attach("{local_pilot.name}").execute(["sh", "-c", "echo $0 $1", "a", "--b"]')
    assert json.loads(answer.stdout)["name"] == "executed"
    task = ph.attach("executed")
    task.result(timeout=60)  # type: ignore[union-attr]
    assert task.stdout() == "a --b"  # type: ignore[union-attr]


def test_nothing_to_execute(local_pilot: Pilot) -> None:
    command = [sys.executable, "-m", "pilothouse.cli", "execute", local_pilot.name]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2
    assert "the following arguments are required: COMMAND" in answer.stderr
