"""Runs on a Dask cluster of somebody else: on nodes beside its workers, which come and go with these."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from distributed import LocalCluster, Security

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Refused
from pilothouse.pilots.attached import AttachedPilot
from pilothouse.pilots.submission import pilots
from pilothouse.registry.records import PILOTS, NodeRecord
from pilothouse.runs.handle import Run
from tests.waiting import eventually

#: A kernel that attaches by an address and files of keys, begins what takes long, and waits to be killed.
KERNEL = """
import sys, time
from distributed import Security
import pilothouse as ph
address, ca, key = sys.argv[1:]
security = Security(require_encryption=True, tls_ca_file=ca, tls_client_cert=ca, tls_client_key=key)
pilot = ph.attach_dask(address, name="theirs", security=security)
print(pilot.execute(["sh", "-c", "sleep 3; echo survived"], name="long").name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def cluster(state_home: Path) -> Iterator[Any]:
    with LocalCluster(
        n_workers=2, threads_per_worker=2, memory_limit="600 MiB", dashboard_address=None, host="127.0.0.1",
        security=Security.temporary(),
    ) as made:  # fmt: skip
        yield made


@pytest.fixture
def attached(cluster: Any) -> Iterator[AttachedPilot]:
    with ph.attach_dask(cluster, name="theirs") as pilot:
        yield pilot
        pilot.cancel()


def running(pilot: AttachedPilot) -> list[NodeRecord]:
    assert pilot.companion is not None
    return [node for node in pilot.companion.nodes if node.state == "running"]


def left_of(names: list[str]) -> list[psutil.Process]:
    """What is left of nodes: their own processes, and those that run there."""
    nodes = [process for process in psutil.process_iter(["cmdline"]) if {*names} & {*(process.info["cmdline"] or ())}]
    return [*nodes, *(each for name in names for each in remains.marked(f"{name}."))]


def test_executables_streams_and_analyses_run_beside_its_workers(attached: AttachedPilot, cluster: Any) -> None:
    task = attached.execute(["sh", "-c", "echo on $PILOTHOUSE_PILOT"], cores=2)
    assert "theirs" in task.wait(timeout=60).logs()
    assert attached.mpi(lambda comm: comm.allreduce(1), ranks=2).result(timeout=60) == [2, 2]
    many = attached.map_execute(["echo", "{word}"], [{"word": word} for word in "abc"])
    assert many.wait(timeout=60).state == "finished"
    stream = ph.streams.run(rate=None, messages=20, points=50, pilot=attached)
    assert stream.wait(timeout=60).telemetry["consumed"][-1] == 20
    paths = np.random.default_rng(1).normal(size=(4, 5, 6, 3)).astype(np.float32)
    distances = ph.md.psa(list(paths), metric="hausdorff", pilot=attached)
    assert distances.sizes["trajectory"] == 4
    assert attached.run_cell("6 * 7") == 42

    eventually(lambda: len(running(attached)) == 2, "a node beside each worker")
    assert {run.name for run in attached.runs()} == {task.name, "mpi-1", many.name, stream.name, "psa-1"}
    assert [node.cores for node in running(attached)] == [2, 2]
    assert attached.client().submit(sum, [1, 2]).result(timeout=30) == 3, "its client is the cluster's own"
    limits = attached.companion.client().run(lambda dask_worker: dask_worker.memory_manager.memory_limit)
    assert set(limits.values()) == {300 * 2**20}, "half of the workers' own"

    record = PILOTS.read("theirs")
    assert (record.site, record.settings["system"], [pilot.name for pilot in pilots()]) == ("dask", "dask", ["theirs"])
    assert "dask" not in [site.name for site in ph.sites()]
    folder = PILOTS.folder("theirs")
    keys = folder / "cluster.json"
    assert ("PRIVATE KEY" in keys.read_text(), keys.stat().st_mode & 0o777) == (True, 0o600)
    words = [PILOTS.path("theirs"), *(path for path in folder.iterdir() if path.suffix in (".log", ".jsonl", ".sh"))]
    assert not [path for path in words if "PRIVATE KEY" in path.read_text()]
    for change in ("scale", "extend", "shrink", "adapt", "renew"):
        with pytest.raises(Refused, match=r"scale that itself, such as cluster\.scale\(4\)"):
            getattr(attached.companion, change)()
    attached.prolong("1h")


def test_a_run_outlives_its_kernel_and_is_found_again(cluster: Any, tmp_path: Path) -> None:
    files = [tmp_path / "ca.pem", tmp_path / "key.pem"]
    for path, text in zip(files, (cluster.security.tls_ca_file, cluster.security.tls_client_key), strict=True):
        path.write_text(text)
    with subprocess.Popen(
        [sys.executable, "-c", KERNEL, cluster.scheduler_address, *map(str, files)], stdout=subprocess.PIPE, text=True
    ) as kernel:
        assert kernel.stdout is not None
        assert kernel.stdout.readline().strip() == "long"
        kernel.kill()
    assert str(files[0]) in (PILOTS.folder("theirs") / "cluster.json").read_text(), "files stay where they are"
    with ph.attach_dask(cluster, name="theirs") as pilot:
        assert [run.name for run in pilot.runs()] == ["long"]
        assert ph.attach("theirs").record == pilot.supervised().record
        supervisor = pilot.supervised().record.supervisor
        assert supervisor is not None
        eventually(lambda: len(running(pilot)) == 2, "a node beside each worker")
        psutil.Process(supervisor.pid).kill()
        eventually(lambda: pilot.supervised().state == "lost")
        before = {node.name for node in PILOTS.read("theirs").nodes}
        pilot.recover()
        assert "survived" in ph.attach("long").wait(timeout=60).logs()  # type: ignore[union-attr]
        assert {node.name for node in running(pilot)} <= before, "they waited for the new supervisor"
        pilot.cancel()
        eventually(lambda: not left_of(sorted(before)), "the end of nodes, within what their keepers give them")
        assert pilot.state == "running", "the cluster goes on"


def test_a_killed_worker_takes_its_node_along_and_the_run_goes_on(attached: AttachedPilot) -> None:
    run = ph.streams.run(rate=20, pilot=attached, points=50)
    eventually(lambda: consumed(run) > 5, "a stream that runs")
    eventually(lambda: len(running(attached)) == 2, "a node beside each worker")
    victim = next(node for node in running(attached) if remains.marked(f"{node.name}."))
    client = attached.client()
    workers = client.scheduler_info(n_workers=-1)["workers"]
    worker = next(address for address, each in workers.items() if victim.job in each["metrics"]["pilothouse-jobs"])
    psutil.Process(client.run(os.getpid, workers=[worker])[worker]).kill()
    eventually(lambda: not left_of([victim.name]), "the end of all that was beside the worker")
    before = consumed(run)
    eventually(lambda: consumed(run) > before + 5, "a stream that goes on")
    eventually(lambda: len(running(attached)) == 2, "a node beside the worker that Dask's nanny has started again")
    ended = eventually(lambda: [n for n in attached.companion.nodes if n.name == victim.name and n.state.ended])
    assert (ended[0].state, ended[0].reason) == ("finished", "its Dask worker has left the cluster")
    assert attached.companion.record.gave_up == ""
    run.stop()


def test_with_the_cluster_its_pilot_ends_and_nothing_is_left(attached: AttachedPilot, cluster: Any) -> None:
    run = ph.streams.run(rate=20, pilot=attached, points=50)
    eventually(lambda: consumed(run) > 5, "a stream that runs")
    companion = attached.supervised()
    names = [node.name for node in companion.nodes]
    cluster.scale(0)
    eventually(lambda: companion.reason == "1 node waits in the queue: the Dask cluster has no workers")
    assert run.state == "running"
    cluster.close()
    eventually(lambda: companion.state.ended, "the end of the pilot")
    assert (companion.state, run.state) == ("failed", "failed")
    assert "the cluster has gone: no node is left there, and the Dask scheduler at tls://127.0.0.1" in companion.reason
    assert "the cluster has gone" in run.reason
    eventually(lambda: not left_of(names), "the end of its nodes")
    assert not (PILOTS.folder("theirs") / "cluster.json").exists()
    assert companion.record.gave_up == ""


def consumed(run: Run) -> float:
    values = run.frame().columns.get("consumed", [])
    return float(values[-1]) if len(values) else 0.0
