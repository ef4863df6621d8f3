"""A node for which no memory was asked has what its job was given, and not a share of the host."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.pilots.node.memory import job_memory

MIB = 2**20


def group(mount: Path, path: str, file: str, limit: str) -> None:
    """A control group with a limit."""
    (mount / path).mkdir(parents=True, exist_ok=True)
    (mount / path / file).write_text(f"{limit}\n")


@pytest.mark.parametrize(
    ("variables", "size"),
    [
        ({"SLURM_MEM_PER_NODE": "900"}, 900 * MIB),
        ({"PILOTHOUSE_NODE_MEMORY": str(900 * MIB)}, 900 * MIB),  # where a batch system has no variable for it
        ({"SLURM_MEM_PER_CPU": "100", "SLURM_CPUS_ON_NODE": "4"}, 400 * MIB),
        ({"SLURM_MEM_PER_NODE": "0"}, None),  # all that the host has
        ({"SLURM_MEM_PER_CPU": "100"}, None),
        ({"SLURM_MEM_PER_NODE": "much"}, None),
        ({"SLURM_MEM_PER_NODE": "99999999999"}, None),
        ({}, None),
    ],
)
def test_slurm_says_it_in_variables(tmp_path: Path, variables: dict[str, str], size: int | None) -> None:
    assert job_memory(variables, "", tmp_path) == size


def test_the_tightest_control_group_counts_but_not_the_outermost_which_dask_knows(tmp_path: Path) -> None:
    own = "0::/system.slice/slurmstepd.scope/job_5/step_batch\n"
    group(tmp_path, "", "memory.max", str(100 * MIB))
    assert job_memory({}, own, tmp_path) is None
    group(tmp_path, "system.slice/slurmstepd.scope/job_5", "memory.max", str(700 * MIB))
    group(tmp_path, "system.slice/slurmstepd.scope/job_5/step_batch", "memory.max", "max")
    assert job_memory({}, own, tmp_path) == 700 * MIB
    group(tmp_path, "system.slice/slurmstepd.scope", "memory.max", str(800 * MIB))
    assert job_memory({"SLURM_MEM_PER_NODE": "600"}, own, tmp_path) == 600 * MIB
    assert job_memory({}, "0::/\n", tmp_path) is None


def test_the_first_version_of_control_groups_has_a_hierarchy_for_memory(tmp_path: Path) -> None:
    groups = "5:cpuset:/job\n4:cpu,memory:/pbs/42.host\n0::/\n"
    group(tmp_path, "memory/pbs/42.host", "memory.limit_in_bytes", "9223372036854771712")  # its word for none
    assert job_memory({}, groups, tmp_path) is None
    group(tmp_path, "memory/pbs/42.host", "memory.limit_in_bytes", str(512 * MIB))
    assert job_memory({}, groups, tmp_path) == 512 * MIB


def test_the_limit_of_a_shell_counts(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from pilothouse.pilots.node.memory import job_memory;"
        f"print(job_memory({{}}, '', Path({str(tmp_path)!r})))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1000 * MIB, 1000 * MIB)),
    )  # fmt: skip
    assert int(found.stdout) == 1000 * MIB
