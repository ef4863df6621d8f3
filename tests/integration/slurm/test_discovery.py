"""A real Slurm is found with its partitions and their limits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.errors import InvalidInput
from pilothouse.pilots.sites.schema import form_schema
from pilothouse.state import utcnow
from tests.slurm.cluster import SlurmCluster
from tests.slurm.login_node import LoginNode
from tests.waiting import eventually


@pytest.mark.usefixtures("slurm")
def test_partitions_are_queues_with_limits() -> None:
    (site,) = [site for site in ph.sites() if site.system == "slurm"]
    assert (site.name, site.trouble) == ("slurm", "")
    normal, debug = site.queues
    assert (normal.name, normal.walltime, normal.cores, normal.default) == ("normal", 3600, 4, True)
    assert (debug.name, debug.walltime, debug.cores, debug.default) == ("debug", 300, 4, False)
    assert normal.memory == 4000 * 2**20
    assert (normal.features, debug.features) == (["fast"], [])
    assert form_schema(site)["properties"]["queue"]["anyOf"][0]["enum"] == ["normal", "debug"]


def test_what_a_partition_does_not_allow_is_never_submitted(state_home: Path, slurm: SlurmCluster) -> None:
    with pytest.raises(InvalidInput, match="walltime=0:06:00: queue 'debug' of site 'slurm' has at most 0:05:00"):
        ph.submit("slurm", queue="debug", walltime="6min")
    with pytest.raises(InvalidInput, match=r"constraint='slow': .*fast"):
        ph.submit("slurm", constraint="slow")
    assert not slurm.run("squeue", "--noheader").stdout
    assert not ph.pilots()


def test_slurm_says_when_it_would_start_each_kind_and_what_it_would_refuse(login: LoginNode) -> None:
    filler = login.cluster.submit("sleep 600", "-N4", "--exclusive", "--time=20")
    eventually(lambda: login.cluster.job(filler).state == "RUNNING")
    found = ph.preview("slurm", walltime="5min", kinds={"two": {"queue": "debug"}})
    for job in found.jobs:
        assert job.expected_start is not None, job.reason
        assert timedelta(minutes=15) < job.expected_start - utcnow() < timedelta(minutes=21)
    login.cluster.run("scancel", filler)
    eventually(lambda: ph.preview("slurm", walltime="5min").jobs[0].when() == "expected start: at once")
    (job,) = ph.preview("slurm", directives=["--constraint=nowhere"]).jobs
    assert job.expected_start is None
    assert "nvalid feature" in job.reason
    eventually(lambda: not login.alive())  # what was cancelled ends by and by; what was asked about is no job
