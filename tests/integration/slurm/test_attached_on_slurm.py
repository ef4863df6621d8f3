"""A cluster of dask-jobqueue on a real Slurm, attached: its jobs are its own, and nodes are beside its workers."""

from __future__ import annotations

from pathlib import Path

import dask_jobqueue
import pytest

import pilothouse as ph
from tests.slurm.cluster import SlurmCluster
from tests.waiting import eventually

pytestmark = [pytest.mark.batch, pytest.mark.nightly]


def test_runs_follow_the_workers_of_a_cluster_of_dask_jobqueue(
    empty_slurm: SlurmCluster, state_home: Path, tmp_path: Path
) -> None:
    with dask_jobqueue.SLURMCluster(
        queue="normal", cores=2, memory="600 MiB", walltime="00:20:00", processes=1, security=True, protocol="tls",
        shared_temp_directory=str(tmp_path), log_directory=str(tmp_path), local_directory=str(tmp_path),
        scheduler_options={"dashboard": False},
    ) as cluster, ph.attach_dask(cluster, name="theirs") as pilot:  # fmt: skip
        task = pilot.execute(["sh", "-c", "sleep 5; hostname"])
        companion = pilot.supervised()
        eventually(lambda: "the Dask cluster has no workers" in companion.reason, "a word on what it waits for")
        cluster.scale(2)
        pilot.wait(nodes=2, timeout=120)
        assert task.wait(timeout=120).state == "finished"
        eventually(lambda: [str(node.state) for node in companion.nodes][-2:] == ["running"] * 2, "two nodes")
        run = ph.streams.run(rate=20, points=50, pilot=pilot)
        eventually(lambda: run.frame().columns["consumed"][-1] > 5, "a stream that runs")
        cluster.scale(1)
        eventually(lambda: companion.record.nodes_wanted == 1, "as many nodes as workers")
        before = run.frame().columns["consumed"][-1]
        eventually(lambda: run.frame().columns["consumed"][-1] > before + 5, "a stream that goes on")
        assert len(empty_slurm.run("squeue", "-h", "-t", "running").stdout.splitlines()) == 1, "no job is ours"
        cluster.close()
        eventually(lambda: companion.state.ended, "the end of the pilot")
        assert "the cluster has gone" in companion.reason
