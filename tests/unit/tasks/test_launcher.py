"""The process that starts executables on a node: nothing of what it started is left when it, or a task, has ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse import remains
from tests.waiting import eventually

#: Goes on whatever it is told by kind signals, and so does its child, in a session of its own.
STUBBORN = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > away; sleep 300; sleep 300' & echo $$ > me; {then}"


class Launcher:
    """A launcher as a node starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.heard = folder, list[dict[str, Any]]()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pilothouse.runs.channel", "pilothouse.tasks.launcher"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        common = {"stage": "link", "cores": 1, "ranks": None, "timeout": None, "launcher": None}
        work = str(folder / "work")
        self.say({
            "node": "n-1", "mark": os.urandom(4).hex(), "common": common, "folder": str(folder), "work": work,
            "many": True,
        })  # fmt: skip
        self.hear("hello")

    def say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")

    def start(self, number: int, script: str, **env: str) -> Path:
        """Have it run a script; its working folder."""
        task = {
            "task": number, "attempt": 1, "slot": number, "argv": ["sh", "-c", script], "env": env, "inputs": {},
            "outputs": [],
        }  # fmt: skip
        self.say({"op": "run", "batches": [{"number": number, "gpus": [], "node_gpus": 0, "tasks": [task]}]})
        return self.folder / "work" / f"{number:05}"

    def hear(self, what: str) -> Any:
        """The next thing that it says of this kind."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get(what):
                return message[what]
        raise AssertionError(f"it ended without saying {what}")


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    found = Launcher(tmp_path_factory.mktemp("launcher"))
    with found.process:  # which closes its input: it ends, and all that it started
        yield found


def pid(path: Path) -> int:
    """The number in a file, as soon as it is there."""
    eventually(lambda: path.exists() and path.read_text().endswith("\n"), str(path))
    return int(path.read_text())


def test_a_node_that_goes_takes_along_what_will_not_end_and_says_so_when_it_is_over(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path)
    work = launcher.start(0, STUBBORN.format(then="sleep 300; sleep 300"))
    pids = [pid(work / "me"), pid(work / "away")]
    launcher.say({"op": "leaving", "seconds": 1.0})
    launcher.say({"op": "stop"})
    ((number, ran),) = launcher.hear("cut")
    assert not any(map(remains.lives, pids)), "before it says so"
    assert number == 0
    assert 0 < ran < 60
    assert launcher.process.wait() == 0


def test_what_a_task_left_in_a_session_of_its_own_ends_with_it_and_no_other_does(launcher: Launcher) -> None:
    other = launcher.start(1, STUBBORN.format(then="wait; sleep 300"))
    others = [pid(other / "me"), pid(other / "away")]
    work = launcher.start(0, STUBBORN.format(then="while ! test -s away; do sleep 0.01; done; exit 0"))
    (end,) = launcher.hear("ended")
    assert (end["task"], end["code"]) == (0, 0)
    assert not remains.lives(pid(work / "away"))
    assert all(map(remains.lives, others))
    os.kill(others[0], signal.SIGKILL)
    assert launcher.hear("ended")[0]["task"] == 1
    assert not any(map(remains.lives, others))


def test_what_hides_from_its_task_ends_with_the_last_one_beside_it(launcher: Launcher) -> None:
    hiding = """
    env -i PATH="$PATH" setsid sh -c 'echo $$ > away; sleep 300; sleep 300' &
    while ! test -s away; do sleep 0.01; done
    """
    other = launcher.start(3, "while ! test -e go; do sleep 0.01; done")
    hidden = pid(launcher.start(2, hiding) / "away")
    assert launcher.hear("ended")[0]["task"] == 2
    (other / "go").touch()
    assert launcher.hear("ended")[0]["task"] == 3
    assert not remains.lives(hidden)


def test_a_variable_that_cannot_be_one_fails_its_task_alone(launcher: Launcher) -> None:
    launcher.start(1, "true", ODD="\ud800")
    (end,) = launcher.hear("ended")
    assert (end["code"], "can't be executed" in end["error"]) == (None, True)
    said = 'echo "$PATH $OWN $PILOTHOUSE_TASK" > said'
    work = launcher.start(2, said, PATH=f"/own:{os.environ['PATH']}", OWN="ü")
    assert launcher.hear("ended")[0]["error"] == ""
    assert (work / "said").read_text() == f"/own:{os.environ['PATH']} ü 2\n"


def test_a_launcher_comes_up_without_what_takes_long_to_import() -> None:
    code = "import sys, pilothouse.runs.channel, pilothouse.tasks.launcher; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
