"""Other people's settings, and other people's jobs, on the real Slurm."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.pilots.queues.slurm import SlurmQueue
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag
from pilothouse.registry.records import State
from pilothouse.state import utcnow
from pilothouse.testing.queues import Bench
from tests.slurm.cluster import SlurmCluster


@pytest.fixture
def bench(tmp_path: Path, state_home: Path, empty_slurm: SlurmCluster) -> Iterator[Bench]:
    site = Site(name="slurm", system="slurm")
    bench = Bench(SlurmQueue(site), site, tmp_path)
    yield bench
    asyncio.run(bench.queue.cancel(bench.ids))


def test_other_peoples_settings_make_no_other_job_of_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SBATCH_ARRAY_INX": "1-3", "SBATCH_JOB_NAME": "mine", "SBATCH_TIMELIMIT": "2", "SBATCH_PARTITION": "debug",
        "SBATCH_OUTPUT": "/nowhere/%j", "SQUEUE_FORMAT": "%j", "SQUEUE_NAMES": "other",
        "SLURM_JOB_ID": "4711", "SLURM_MEM_PER_NODE": "17", "SCANCEL_NAME": "other",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)

    async def steps() -> None:
        number = await bench.submit("sleep 600", queue="normal")
        status = await bench.until(number, lambda status: status.state is State.RUNNING)
        ours = [job for job, listed in (await bench.queue.poll()).items() if listed.tag == tag("p-1")]
        assert ours == [number]
        assert status.ends is not None
        assert status.ends - utcnow() > timedelta(minutes=5)
        await bench.queue.cancel([number])
        await bench.gone(number)

    asyncio.run(steps())


def test_a_name_of_somebody_s_job_hides_no_other(bench: Bench, empty_slurm: SlurmCluster) -> None:
    name = "two\nlines|and\u2028bars"
    other = empty_slurm.submit("sleep 600", f"--job-name={name}")

    async def steps() -> None:
        number = await bench.submit("sleep 600")
        listed = await bench.queue.poll()
        assert (listed[number].tag, listed[other].tag) == (tag("p-1"), name)

    try:
        asyncio.run(steps())
    finally:  # other tests read Slurm's listing line by line
        empty_slurm.run("scontrol", "update", f"JobId={other}", "JobName=other")
