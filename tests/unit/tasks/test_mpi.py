"""The command lines of MPI."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pilothouse.errors import Failed
from pilothouse.tasks import mpi


def test_nodes_of_one_host_are_told_apart() -> None:
    hosts, nodes = mpi.hosts_of([("n1", "10.0.0.1", 2), ("n2", "10.0.0.1", 1)])
    assert hosts == [("127.0.0.1", 2), ("127.0.0.2", 1)]
    assert nodes == ["n1", "n2"]


def test_nodes_of_several_hosts_keep_their_addresses() -> None:
    parts = [("n1", "10.0.0.1", 2), ("n2", "10.0.0.2", 2), ("n3", "10.0.0.1", 1)]
    assert mpi.hosts_of(parts) == ([("10.0.0.1", 3), ("10.0.0.2", 2)], ["n1", "n2"])


def test_proxies_are_read_in_the_order_of_hosts() -> None:
    lines = [f"HYDRA_LAUNCH: /usr/bin/hydra_pmi_proxy --control-port h:1 --proxy-id {i} " for i in (1, 0)]
    assert [words[-1] for words in mpi.proxies(lines)] == ["0", "1"]
    assert mpi.proxies(lines)[0][0] == "/usr/bin/hydra_pmi_proxy"


def test_the_launcher_is_what_the_user_or_the_site_says(tmp_path: Path) -> None:
    for name in ("srun", "mpiexec"):
        (tmp_path / name).write_text("#!/bin/sh\necho HYDRA build details\n")
        (tmp_path / name).chmod(stat.S_IRWXU)
    env = {"PATH": str(tmp_path)}
    assert mpi.launcher((), env) == [f"{tmp_path}/mpiexec"]
    assert mpi.launcher((), {**env, "PILOTHOUSE_MPIEXEC": "srun --mpi=pmi2"}) == [f"{tmp_path}/srun", "--mpi=pmi2"]
    assert mpi.launcher(["srun"], env) == [f"{tmp_path}/srun"]
    assert mpi.is_hydra([f"{tmp_path}/mpiexec"])
    with pytest.raises(Failed, match=r"none of mpiexec\.hydra"):
        mpi.launcher((), {"PATH": "/no/where"})


def test_other_launchers_get_no_flags_of_hydra() -> None:
    assert mpi.on_one_node(["srun"], False, 4, ["sim"]) == ["srun", "-n", "4", "sim"]
    assert "-rmk" in mpi.on_one_node(["mpiexec"], True, 4, ["sim"])


def test_gpus_are_those_that_the_node_may_see() -> None:
    assert mpi.visible_gpus([1], 2, {}) == {"CUDA_VISIBLE_DEVICES": "1"}
    assert mpi.visible_gpus([0, 1], 2, {"CUDA_VISIBLE_DEVICES": "4,GPU-7"}) == {"CUDA_VISIBLE_DEVICES": "4,GPU-7"}
    assert mpi.visible_gpus([], 2, {"CUDA_VISIBLE_DEVICES": "4,5"}) == {"CUDA_VISIBLE_DEVICES": ""}
    assert mpi.visible_gpus([], 0, {"CUDA_VISIBLE_DEVICES": "4,5"}) == {}


def test_the_rank_that_failed_first(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    assert mpi.first_failure(notes) is None
    notes.write_text("3 139\n0 137\n")
    assert mpi.first_failure(notes) == ("3", -11)
