"""A run of tests has places of its own, and nothing is left of it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse import remains
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]

TESTS = """
import os, subprocess, sys, time
from pathlib import Path
import pytest
from pilothouse.data import store
from pilothouse.state import home

@pytest.mark.parametrize("number", range(2))
def test_places(number):
    line = f"{home()} {store.root()} {os.environ['TMPDIR']}"
    Path(os.environ["SEEN"], str(number)).write_text(line)

def test_that_leaves_a_process():
    left = subprocess.Popen(["sleep", "600"], start_new_session=True, env={**os.environ, "TMPDIR": "/"})
    Path(os.environ["SEEN"], "pid").write_text(str(left.pid))

def test_that_goes_on():
    time.sleep(600)
"""


@pytest.fixture
def run(tmp_path: Path) -> list[str]:
    """The command line that runs TESTS on two workers."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(TESTS)
    options = ["-p", "xdist", "-p", "tests.places", "-p", "no:cacheprovider", "-n", "2", "--rootdir", str(tmp_path)]
    return [sys.executable, "-m", "pytest", *options, str(tmp_path / "test_it.py")]


def environment(tmp_path: Path) -> dict[str, str]:
    own = {"SEEN": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # of others' plugins, which import much


def pid_in(path: Path) -> int:
    return int(eventually(path.read_text, "the process"))


def left_in(tmp_path: Path, root: str) -> list[str]:
    return [*map(str, tmp_path.glob("ph-tests-*")), *map(str, Path("/dev/shm").glob(f"{root}*"))]


def root_of(tmp_path: Path) -> str:
    return (tmp_path / "0").read_text().split()[2].split("/")[-2]


@pytest.mark.nightly
def test_workers_have_places_of_their_own_and_a_process_that_is_left_fails_the_run(
    run: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*run, "-k", "not goes_on"], env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
    assert "processes that tests left behind" in done.stdout
    assert "sleep 600" in done.stdout
    assert not remains.lives(pid_in(tmp_path / "pid"))
    for place in (tmp_path / "0").read_text().split():
        assert root_of(tmp_path) in place
    assert left_in(tmp_path, root_of(tmp_path)) == []


@pytest.mark.nightly
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_run_that_is_ended(run: list[str], tmp_path: Path, end: signal.Signals) -> None:
    running = subprocess.Popen(run, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL)
    pid = pid_in(tmp_path / "pid")
    eventually((tmp_path / "0").exists, "the first test")
    running.send_signal(end)
    running.wait(timeout=120)
    if end == signal.SIGKILL:  # the next run clears away
        again = [*run, "-k", "places"]
        assert subprocess.run(again, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL).returncode == 0
    assert not remains.lives(pid)
    assert left_in(tmp_path, root_of(tmp_path)) == []
