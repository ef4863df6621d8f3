"""What each host of a job with several nodes runs, and what it tells of itself: bash runs the scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from pilothouse.pilots.queues.job_script import job_script
from pilothouse.pilots.queues.protocols import Job
from pilothouse.pilots.queues.several_hosts import EACH, TRAP, WAIT, process_of
from tests.unit.pilots.queues.jobs import job

#: Hosts that are all this one.
START = f'{TRAP}\nfor ((rank = 0; rank < 3; rank++)); do\n    /bin/bash "${EACH}" "$rank" &\ndone\n{WAIT}'
#: A node that says its name, and ends with its number.
NODE = "import os, sys; print(sys.argv[1], os.environ['MINE']); sys.exit(int(sys.argv[1][-1]) - 1)"


def three(folder: Path, **site: list[str]) -> Job:
    plain = job("slurm", folder, environment={"variables": {"MINE": "a 'b' $HOME `c`"}})
    plain.log.parent.mkdir()
    return replace(
        plain, site=plain.site.model_copy(update=site), command=[sys.executable, "-c", NODE, "p-1"], nodes=3,
        environment={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip


def run(wanted: Job) -> None:
    subprocess.run(["/bin/bash"], input=job_script(wanted, "", START), check=True, text=True, env={"PATH": "/bin"})


def test_each_has_its_name_its_log_and_its_end(tmp_path: Path, state_home: Path) -> None:
    wanted = three(tmp_path, prologue=["cat <<END_OF_NODE", "set up", "END_OF_NODE"], epilogue=['echo "left $code"'])
    run(wanted)
    folder, host = wanted.log.parent, os.uname().nodename
    for number in (1, 2, 3):
        log = (folder / f"p-{number}.log").read_text().splitlines()
        assert log == ["set up", f"p-{number} a 'b' $HOME `c`", f"left {number - 1}"]
        assert process_of(folder, f"p-{number}") == (host, number - 1)
    assert process_of(folder, "p-4") == ("", None)


def test_one_whose_set_up_fails_says_so_and_the_others_go_on(tmp_path: Path, state_home: Path) -> None:
    wanted = three(tmp_path, prologue=['[ "$pilothouse_node" != p-2 ]'])
    run(wanted)
    assert "this node does not start" in (wanted.log.parent / "p-2.log").read_text()
    assert [process_of(wanted.log.parent, f"p-{number}")[1] for number in (1, 2, 3)] == [0, 1, 2]
    assert "p-3 a" in (wanted.log.parent / "p-3.log").read_text()
