"""How nodes and pilots end on a real Slurm: failures, refusals, limits of time; and what is submitted again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from pilothouse.errors import Failed, Refused
from pilothouse.pilots.queues.slurm import SlurmQueue
from pilothouse.pilots.sites.site import Site
from tests.slurm.login_node import LoginNode, happened, running
from tests.waiting import eventually, slowness


@pytest.mark.slow
def test_a_failing_prologue_is_tried_a_few_times_and_told(login: LoginNode) -> None:
    login.site(prologue=["echo no licence for this node >&2", "exit 3"])
    calls = login.count("sbatch")
    pilot = login.submit(nodes=2)
    node = eventually(lambda: [node for node in pilot.nodes if node.state == "failed"], "a node that failed")[0]
    assert node.reason == "failed, exit code 3\nno licence for this node"
    assert node.exit_code == 3
    assert pilot.logs(node.name) == "no licence for this node"
    with pytest.raises(Failed, match=r"(?s)nodes failed in a row, the last one: .*exit code 3.*no licence"):
        pilot.wait(timeout=120)
    eventually(lambda: pilot.state == "failed", "the end of its last node")
    assert not login.alive()
    submitted = [event["job"].partition("_")[0] for event in happened(pilot, "node submitted")]
    assert len(calls.read_text().splitlines()) == len(set(submitted)), "those that begin together are an array"
    assert 5 <= len(submitted) <= 7


@pytest.mark.parametrize(
    ("directives", "said"),
    [
        (["-p nonsense"], "invalid partition specified: nonsense"),
        (["--constraint=warp"], "Invalid feature specification"),
        (["--mem=400G"], "Memory specification can not be satisfied"),
    ],
)
def test_what_slurm_refuses_fails_at_once_in_its_words(login: LoginNode, directives: list[str], said: str) -> None:
    calls = login.count("sbatch")
    pilot = login.submit(nodes=2, directives=directives)
    with pytest.raises(Failed, match=said):
        pilot.wait(timeout=60)
    assert said in pilot.reason
    assert said in happened(pilot, "refused")[0]["reason"]
    assert len(calls.read_text().splitlines()) == 2, "both together, and then one alone"
    assert not login.cluster.run("squeue", "-h").stdout
    eventually(lambda: not login.processes(), "the end of its supervisor")


@pytest.fixture
def limit(login_accounting: LoginNode) -> Iterator[Callable[..., None]]:
    """Limits, lifted after the test."""
    names: set[str] = set()

    def set_limits(**limits: int) -> None:
        names.update(limits)
        login_accounting.cluster.limit(None, **limits)

    yield set_limits
    login_accounting.cluster.limit(None, **dict.fromkeys(names, -1))


def test_a_quota_is_told_and_filled_up_when_it_is_lifted(
    login_accounting: LoginNode, limit: Callable[..., None]
) -> None:
    login = login_accounting
    limit(MaxSubmitJobs=2)
    calls = login.count("sbatch")
    pilot = login.submit(nodes=4).wait(nodes=2, timeout=60)
    eventually(lambda: "AssocMaxSubmitJobLimit" in pilot.reason, "Slurm's words")
    eventually(lambda: len(happened(pilot, "refused")) >= 2, "a second try")
    assert "AssocMaxSubmitJobLimit" in pilot.reason
    assert pilot.state == "running"
    assert len(login.alive()) == 2
    tries = len(calls.read_text().splitlines())
    assert tries <= 2 + len(happened(pilot, "refused")) + 1, "one refusal a try, not one for each node"
    limit(MaxSubmitJobs=-1)
    pilot.scale(4).wait(timeout=60)
    eventually(lambda: not pilot.reason, "no more words")
    assert len(login.alive()) == 4


def test_a_quota_that_allows_no_job_ends_the_pilot_with_slurms_words(
    login_accounting: LoginNode, limit: Callable[..., None]
) -> None:
    limit(MaxSubmitJobs=0)
    pilot = login_accounting.submit(nodes=2)
    with pytest.raises(Failed, match="AssocMaxSubmitJobLimit"):
        pilot.wait(timeout=60)


def test_a_job_that_ended_unseen_is_told_by_sacct(login_accounting: LoginNode) -> None:
    login = login_accounting
    pilot = login.submit(nodes=2).wait(timeout=60)
    job = running(pilot)[0].job
    login.wrap("squeue", f'"$real" "$@" | grep -v "|{job}|[0-9a-f]*|CANCELLED|"; exit 0')  # as after MinJobAge
    login.cluster.run("scancel", job)
    failed = eventually(lambda: happened(pilot, "node failed"), "the end of the node")
    assert failed[0]["reason"].startswith("cancelled")
    pilot.wait(timeout=60)
    assert job not in {node.job for node in running(pilot)}


@pytest.mark.slow
def test_idle_time_and_lease_end_pilots_and_their_jobs(login: LoginNode) -> None:
    idle = login.submit(nodes=1, idle_timeout="1s")
    leased = login.submit(nodes=2, lease=f"{12 * slowness():.0f}s", directives=["--comment=leased"])
    run = leased.wait(timeout=60).launch("count", {"to": 100000})
    eventually(lambda: idle.state.ended and leased.state.ended, "their ends")
    assert (idle.state, idle.reason) == ("finished", "idle for 1 s")
    assert (leased.state, leased.reason) == ("finished", "the lease is over")
    assert run.state == "finished"
    assert run.result()["total"] > 0
    assert not login.alive()
    eventually(lambda: not login.processes(), "the end of all processes")
    assert not login.files()


def test_jobs_that_are_gone_do_not_keep_others_from_being_deleted(login: LoginNode) -> None:
    queue = SlurmQueue(Site(name="slurm", system="slurm"))
    ended, running = (login.cluster.submit(f"sleep {seconds}", "-n1") for seconds in (0, 600))
    eventually(lambda: [job.id for job in login.alive()] == [running], "the end of the short one")
    asyncio.run(queue.cancel([ended, "987654", running]))
    eventually(lambda: not login.alive(), "the end of the other")
    asyncio.run(queue.cancel([ended, running]))
    said = f"Kill job error on job id {ended}: Invalid job id specified\nKill job error on job id 7: Access denied"
    login.wrap("scancel", f"echo '{said}' >&2; exit 1")
    with pytest.raises(Refused, match="Access denied"):
        asyncio.run(queue.cancel([ended, "7"]))
