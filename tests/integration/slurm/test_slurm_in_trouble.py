"""Slurm's commands hang, fail, talk nonsense or are not there: nothing is lost, and the pilot says what is wrong."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from pilothouse.pilots import Pilot
from pilothouse.registry.naming import tag
from tests.slurm.login_node import LoginNode, happened, running
from tests.waiting import eventually

TROUBLES = {
    "hangs": ("sleep 600", "squeue did not answer within 1 s"),
    "fails": ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", "Unable to contact"),
    "talks nonsense": ("echo '<html>Welcome</html>'", "squeue printed something else than jobs: '<html>"),
}


def is_told(pilot: Pilot, said: str) -> bool:
    return said in pilot.reason


def test_a_squeue_in_trouble_ends_no_node_and_is_named(login: LoginNode) -> None:
    login.site(timeout=1)
    pilot = login.submit(nodes=1).wait(timeout=60)
    kept = running(pilot)[0].job
    for does, (script, said) in TROUBLES.items():
        login.wrap("squeue", script)
        eventually(partial(is_told, pilot, said), f"word of a squeue that {does}")
        assert pilot.state == "running"
        assert pilot.client().submit(sum, [1, 2], pure=False).result(timeout=30) == 3
        login.wrap("squeue", "")
        eventually(lambda: not pilot.reason, f"word of the end of a squeue that {does}")
    assert [node.job for node in pilot.nodes] == [kept]
    assert not happened(pilot, "node failed")
    login.wrap("squeue", "exit 1")
    pilot.cancel(timeout=60)
    login.wrap("squeue", "")
    eventually(lambda: not login.alive(), "the end of its job, which was not seen")


@pytest.mark.parametrize("then", ["sleep 600", "echo Thanks for using our cluster", "kill -9 $PPID"])
def test_jobs_whose_submission_was_not_answered_are_adopted(login: LoginNode, then: str) -> None:
    """Members of an array; in the last case it is the supervisor that did not hear the answer."""
    login.site(timeout=2)
    once = login.folder / "once"
    login.wrap("sbatch", f'if mkdir {once}; then "$real" "$@" >/dev/null; {then}; else exec "$real" "$@"; fi')
    pilot = login.submit(nodes=2)
    if "kill" in then:
        eventually(lambda: pilot.state == "lost", "the end of its supervisor")
        assert {node.job for node in pilot.nodes} == {""}
        pilot.recover()
    pilot.wait(timeout=60)
    eventually(lambda: all(node.job for node in running(pilot)), "their jobs")
    assert once.exists()
    jobs = [job for job in login.cluster.jobs() if job.name.startswith(tag())]
    assert [job.state for job in jobs] == ["RUNNING"] * 2
    members = sorted((job.id for job in jobs), key=lambda job: job.rpartition("_"))
    assert [node.job for node in running(pilot)] == members


def test_without_sbatch_it_says_so_and_begins_when_it_is_there(
    login: LoginNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    login.site(timeout=1)
    for command in ("squeue", "scancel", "sinfo", "sacct"):
        (tmp_path / command).symlink_to(str(shutil.which(command)))
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}{os.pathsep}{login.folder / 'bin'}")
        pilot = login.submit(nodes=1)
    eventually(lambda: "the command sbatch can't be run here: No such file" in pilot.reason, "word of it")
    assert not pilot.state.ended
    assert not login.alive()
    login.wrap("sbatch", 'exec "$real" "$@"')
    pilot.wait(timeout=60)
    assert [job.id for job in login.alive()] == [running(pilot)[0].job]
