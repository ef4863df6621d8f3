"""A job beside a Dask worker ends with it, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse import remains
from tests.waiting import eventually

#: A worker that starts a keeper, tells of it, and goes on; its standard input is the keeper's, which others have too.
WORKER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-m", "pilothouse.pilots.node.keeper", *sys.argv[1:]], start_new_session=True)
time.sleep(600)
"""


class Bench:
    """A job script, the file that is there while something is left of it, and what belongs to its node."""

    def __init__(self, folder: Path) -> None:
        self.script, self.mark = folder / "p-1.sh", folder / "job.begun"

    def start(self, program: list[str], script: str) -> subprocess.Popen[str]:
        self.script.write_text(script)
        self.mark.touch()
        return subprocess.Popen(
            [sys.executable, *program, "p-1", str(self.script), str(self.mark)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def marked(self) -> bool:
        return bool(remains.marked("p-1."))


KEEPER = ["-m", "pilothouse.pilots.node.keeper"]
#: It has started something that knows nothing of it, in a session of its own, with a node's mark.
DAEMON = "PILOTHOUSE_PROCESS=p-1.$$/x setsid sleep 600 &\nexec sleep 600\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
    remains.kill(remains.marked("p-1."))


def test_a_job_that_ends_by_itself_has_its_code_and_leaves_nothing(bench: Bench) -> None:
    with bench.start(KEEPER, DAEMON.replace("exec sleep 600", "exit 7")) as keeper:
        assert keeper.wait(timeout=60) == 7
    assert not bench.marked()
    assert not bench.mark.exists()


def test_a_job_ends_when_its_worker_closes_and_a_file_says_so(bench: Bench) -> None:
    with bench.start(KEEPER, DAEMON) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        job = int(keeper.stdout.readline())
        eventually(bench.marked)
        keeper.stdin.close()
        assert keeper.wait(timeout=60) == 128 + signal.SIGTERM
    assert not remains.lives(job)
    assert not bench.marked()
    assert not bench.mark.exists()


def test_a_job_ends_with_a_killed_worker_though_others_have_its_end_of_the_pipe(bench: Bench) -> None:
    with bench.start(["-c", WORKER], DAEMON) as worker:
        assert worker.stdout is not None
        job = int(worker.stdout.readline())
        eventually(bench.marked)
        os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: not bench.mark.exists())
        assert not remains.lives(job)
        assert not bench.marked()


def test_a_job_ends_with_a_killed_keeper(bench: Bench) -> None:
    with bench.start(KEEPER, "exec sleep 600") as keeper:
        assert keeper.stdout is not None
        job = int(keeper.stdout.readline())
        eventually(lambda: Path(f"/proc/{job}/comm").read_text().strip() == "sleep")
        keeper.kill()
        eventually(lambda: not remains.lives(job))
