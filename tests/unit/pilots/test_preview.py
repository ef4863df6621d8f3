from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.cli import main
from pilothouse.errors import InvalidInput
from pilothouse.pilots.previewing import UNKNOWN
from tests.unit.pilots.fake_commands import SINFO, FakeCommands

LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)


@pytest.fixture
def slurm(host: FakeCommands) -> FakeCommands:
    """What Slurm prints; of ``sbatch --test-only``, a start in three hours."""
    host.prints("sinfo", SINFO)
    host.prints("sbatch", f"sbatch: Job 7 to start at {LATER.timestamp():.0f} using 4 processors on nodes c1\n")
    return host


def test_of_each_kind_the_script_and_its_expected_start_and_nothing_is_submitted(
    slurm: FakeCommands, state_home: Path
) -> None:
    found = ph.preview("slurm", name="anna", nodes=2, kinds={"gpu": {"queue": "gpu", "gpus": 2}})
    assert [job.kind for job in found.jobs] == ["node", "gpu"]
    assert found.expected_start == LATER
    node, gpu = (job.script for job in found.jobs)
    assert node.partition(" --until ")[0] == ph.script("slurm", name="anna", nodes=2).partition(" --until ")[0]
    assert "--gpus-per-node=2" in gpu
    assert "--gpus-per-node" not in node
    assert "--array=0-1" in node, "both of them"
    assert "--array" not in ph.script("slurm", nodes=2, placement="job"), "the supervisor's is by itself"
    assert "--array" not in gpu
    assert "--name anna-3" in gpu
    assert f"# gpu: expected start: {LATER:%Y-%m-%d %H:%M} UTC" in str(found)
    assert ph.pilots() == []
    assert slurm.calls("sbatch") == 2


def test_a_batch_system_that_refuses_or_does_not_answer_says_so_below_the_script(slurm: FakeCommands) -> None:
    slurm.fails("sbatch", "sbatch: error: allocation failure: Invalid qos")
    (job,) = ph.preview("slurm").jobs
    assert job.expected_start is None
    assert "allocation failure: Invalid qos" in job.when()
    assert job.script.startswith("#!/bin/bash")
    (slurm.folder / "sbatch").unlink()
    (job,) = ph.preview("slurm").jobs
    assert "sbatch can't be run here" in job.reason


def test_a_batch_system_that_can_not_tell_is_said_plainly(host: FakeCommands) -> None:
    host.prints("sinfo", SINFO)
    host.prints("sbatch", "nothing of use\n")
    (job,) = ph.preview("slurm").jobs
    assert job.when() == f"expected start: not known ({UNKNOWN})"


def test_this_computer_starts_at_once(host: FakeCommands) -> None:
    (job,) = ph.preview("local").jobs
    assert job.when() == "expected start: at once"
    with pytest.raises(InvalidInput, match="nodes=0"):
        ph.preview("local", nodes=0)


def test_a_dry_run_in_a_shell_is_a_script_with_its_expected_start(
    slurm: FakeCommands, state_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["submit", "slurm", "--nodes", "2", "--kind", "gpu:queue=gpu,gpus=2,walltime=1h"]
    assert main([*words, "--dry-run"]) == 0
    printed = capsys.readouterr()
    kinds = "{'gpu': {'queue': 'gpu', 'gpus': 2, 'walltime': '1h'}}"
    assert printed.err == f'# ph.preview("slurm", nodes=2, kinds={kinds})\n'
    assert printed.out.startswith("#!/bin/bash")
    assert f"# node: expected start: {LATER:%Y-%m-%d %H:%M} UTC" in printed.out
    assert main([*words, "--dry-run", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert datetime.fromisoformat(answer["jobs"][1]["expected_start"]) == LATER
    assert main(["submit", "slurm", "--dry-run", "--kind", "gpu:gpu=2"]) == 1
    assert "kinds.gpu.gpu=2: there is no such field" in capsys.readouterr().err
    assert ph.pilots() == []
