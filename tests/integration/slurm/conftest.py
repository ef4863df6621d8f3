"""Login nodes of the tests' Slurm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import SlurmCluster
from tests.slurm.login_node import LoginNode, login_node


@pytest.fixture
def _pytests_own_folder(tmp_path: Path) -> None:
    """It is made before a login node has another idea of where temporary files go."""


@pytest.fixture
def login(_pytests_own_folder: None, empty_slurm: SlurmCluster) -> Iterator[LoginNode]:
    """A login node of a cluster without jobs."""
    with login_node(empty_slurm) as node:
        yield node


@pytest.fixture
def login_accounting(_pytests_own_folder: None, empty_slurm_accounting: SlurmCluster) -> Iterator[LoginNode]:
    """A login node of a cluster without jobs that has accounts and limits."""
    with login_node(empty_slurm_accounting) as node:
        yield node
