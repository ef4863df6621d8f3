"""A whole pilot through PSI/J, on the real Slurm of the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.pilots import Pilot
from pilothouse.registry.records import State
from tests.slurm.cluster import SlurmCluster
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_a_pilot_computes_grows_shrinks_heals_and_leaves_no_job(
    empty_slurm: SlurmCluster, state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site.toml").write_text('[through]\nsystem = "psij:slurm"\npoll_least = 0.3\npoll_most = 1\n')
    monkeypatch.setenv("PILOTHOUSE_SITES", str(tmp_path / "site.toml"))
    pilot = ph.submit("through", nodes=1, memory="512 MiB", walltime="20min", lease="1h").wait(timeout=120)
    client = pilot.client()
    assert client.submit(sum, [1, 2]).result(timeout=60) == 3
    assert jobs() == {node.job for node in pilot.nodes}

    pilot.extend(1)
    eventually(lambda: len(running(pilot)) == 2, "the node that joined", within=120)
    kept, deleted = running(pilot)
    subprocess.run(["scancel", deleted], check=True)
    eventually(lambda: len(running(pilot)) == 2 and deleted not in running(pilot), "a new node", within=120)
    assert kept in running(pilot)
    assert client.submit(sum, [3, 4]).result(timeout=60) == 7

    pilot.shrink(1)
    eventually(lambda: len(jobs()) == 1, "the job of the node that left ends", within=120)
    pilot.cancel()
    assert pilot.state is State.FINISHED
    eventually(lambda: not jobs(), "no job is left", within=60)


def running(pilot: Pilot) -> list[str]:
    return [node.job for node in pilot.nodes if node.state is State.RUNNING]


def jobs() -> set[str]:
    listed = subprocess.run(["squeue", "--me", "-h", "-o", "%i"], check=True, capture_output=True, text=True)
    return set(listed.stdout.split())
