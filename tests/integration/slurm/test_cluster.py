"""The Slurm of the tests is what it says: other tests build on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import psutil
import pytest

from pilothouse import remains
from tests.slurm.cluster import NODES, SlurmCluster
from tests.slurm.processes import Daemon, free_ports, until


def wait(cluster: SlurmCluster, job_id: str, state: str, reason: str = "") -> None:
    def reached() -> bool:
        job = cluster.job(job_id)
        return job.state == state and job.reason.startswith(reason)

    until(reached, f"job {job_id} is {state} {reason}", timeout=60, watched=list(cluster.daemons.values()))


@pytest.fixture
def limit(empty_slurm_accounting: SlurmCluster) -> Iterator[Callable[..., None]]:
    """`SlurmCluster.limit`, lifted after the test."""
    names: set[str] = set()

    def set_limits(**limits: int) -> None:
        names.update(limits)
        empty_slurm_accounting.limit(**limits)

    yield set_limits
    empty_slurm_accounting.limit(**dict.fromkeys(names, -1))


def test_four_nodes_are_idle(empty_slurm: SlurmCluster) -> None:
    rows = empty_slurm.run("sinfo", "-h", "-N", "-p", "normal", "-o", "%N %T %c %m").stdout.splitlines()
    assert rows == [f"{node} idle 4 4000" for node in NODES]
    assert empty_slurm.run("sinfo", "-h", "-o", "%P %l %N").stdout.splitlines() == [
        "normal* 1:00:00 n[1-4]",
        "debug 5:00 n[1-2]",
    ]


def test_a_job_runs_on_every_node(empty_slurm: SlurmCluster) -> None:
    done = empty_slurm.run("srun", "-N4", "-n4", "sh", "-c", "echo $SLURMD_NODENAME")
    assert sorted(done.stdout.split()) == list(NODES)


def test_ended_jobs_stay_visible_with_their_state(empty_slurm: SlurmCluster) -> None:
    good, bad = empty_slurm.submit("true"), empty_slurm.submit("exit 3")
    wait(empty_slurm, good, "COMPLETED")
    wait(empty_slurm, bad, "FAILED", "NonZeroExitCode")


def test_a_job_that_finds_no_room_waits_and_says_why(empty_slurm: SlurmCluster) -> None:
    running = empty_slurm.submit("sleep 600", "-N4", "--exclusive")
    wait(empty_slurm, running, "RUNNING")
    waiting = empty_slurm.submit("true")
    wait(empty_slurm, waiting, "PENDING", "Resources")
    empty_slurm.run("scancel", running)
    wait(empty_slurm, waiting, "COMPLETED")


def test_jobs_that_name_no_memory_share_a_node(empty_slurm: SlurmCluster) -> None:
    jobs = [empty_slurm.submit("sleep 600") for _ in range(4)]
    for job_id in jobs:
        wait(empty_slurm, job_id, "RUNNING")
    assert {empty_slurm.job(job_id).nodes for job_id in jobs} == {"n1"}


def test_a_constraint_is_kept(empty_slurm: SlurmCluster) -> None:
    job_id = empty_slurm.submit("true", "--constraint=fast")
    wait(empty_slurm, job_id, "COMPLETED")
    assert empty_slurm.job(job_id).nodes in {"n3", "n4"}
    refused = empty_slurm.run("sbatch", "--constraint=slow", "--wrap", "true", check=False)
    assert "Invalid feature specification" in refused.stderr


def test_a_job_that_ignores_sigterm_is_killed(empty_slurm: SlurmCluster) -> None:
    job_id = empty_slurm.submit("trap '' TERM; while :; do sleep 1; done")
    wait(empty_slurm, job_id, "RUNNING")
    empty_slurm.cancel_all()
    assert empty_slurm.job(job_id).state == "CANCELLED"


def test_commands_of_a_test_find_its_cluster(slurm: SlurmCluster) -> None:
    assert os.environ["SLURM_CONF"] == slurm.environment["SLURM_CONF"]


def test_a_test_that_wants_no_slurm_has_none() -> None:
    assert "SLURM_CONF" not in os.environ


def test_sacct_knows_how_a_job_ended(empty_slurm_accounting: SlurmCluster) -> None:
    job_id = empty_slurm_accounting.submit("exit 3")
    command = ("sacct", "-X", "-n", "-P", "-j", job_id, "-o", "State,ExitCode")
    until(
        lambda: empty_slurm_accounting.run(*command).stdout.strip() == "FAILED|3:0",
        f"sacct knows the end of {job_id}",
        timeout=60,
        watched=list(empty_slurm_accounting.daemons.values()),
    )


def test_a_submission_over_the_limit_is_refused(
    empty_slurm_accounting: SlurmCluster, limit: Callable[..., None]
) -> None:
    limit(MaxSubmitJobs=2)
    for _ in range(2):
        empty_slurm_accounting.submit("sleep 600")
    refused = empty_slurm_accounting.run("sbatch", "--wrap", "true", check=False)
    assert refused.returncode == 1
    assert "AssocMaxSubmitJobLimit" in refused.stderr


def test_nothing_is_left_when_it_stops_with_jobs() -> None:
    with SlurmCluster() as cluster:
        job_id = cluster.submit("setsid sleep 600 & trap '' TERM; sleep 600")
        wait(cluster, job_id, "RUNNING")
        until(lambda: len(list(of_a_job(cluster))) >= 3, "the job has its processes", timeout=30)
        processes = [psutil.Process(daemon.pid) for daemon in cluster.daemons.values()] + list(of_a_job(cluster))
    assert not [process for process in processes if remains.is_running(process)]
    assert not cluster.folder.exists()


def test_nothing_is_left_after_a_failed_start(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    start = Daemon.__init__

    def broken_after_two(self: Daemon, argv: list[str], *rest: object) -> None:
        start(self, argv if len(started) < 2 else ["false"], *rest)  # type: ignore[arg-type]
        started.append(self.pid)

    monkeypatch.setattr(Daemon, "__init__", broken_after_two)
    cluster = SlurmCluster()
    with pytest.raises(RuntimeError, match="all nodes are idle: false has ended"):
        cluster.__enter__()
    assert not [pid for pid in started if remains.lives(pid)]
    assert not cluster.folder.exists()


def test_two_live_side_by_side(slurm: SlurmCluster) -> None:
    with SlurmCluster() as other:
        job_id = other.submit("true", "--job-name=other")
        wait(other, job_id, "COMPLETED")
        assert "other" not in [job.name for job in slurm.jobs()]


@pytest.mark.slow
def test_an_ended_job_is_forgotten_at_its_age() -> None:
    with SlurmCluster(min_job_age=2) as cluster:
        wait(cluster, cluster.submit("true"), "COMPLETED")
        until(lambda: not cluster.jobs(), "the job is forgotten", timeout=60)


def test_a_port_is_given_once() -> None:
    with free_ports(4) as some, free_ports(4) as others:
        assert not set(some) & set(others)


def of_a_job(cluster: SlurmCluster) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get("SLURM_CONF") == cluster.environment["SLURM_CONF"]
                and "SLURM_JOB_ID" in process.environ()
            ):
                yield process
        except psutil.Error:
            continue
