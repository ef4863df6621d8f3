"""These tests run on hosts that ``python -m tests.slurm`` starts: a pilot of three, on a Slurm of four."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pilothouse.pilots import Pilot
from tests.slurm.cluster import SlurmCluster
from tests.slurm.login_node import LoginNode, login_node

HERE = os.environ.get("PILOTHOUSE_TEST_BATCH") == "engines/hosts"
collect_ignore_glob = [] if HERE else ["test_*.py"]
#: Of the nodes, and of the login node.
INTERFACES = {"interface": "eth0", "login_interface": "switch"}


@pytest.fixture(scope="module")
def hosts(slurm_on_hosts: SlurmCluster) -> Iterator[LoginNode]:
    """The login node of a cluster without jobs."""
    slurm_on_hosts.cancel_all()
    with login_node(slurm_on_hosts) as node:
        node.site(**INTERFACES)
        yield node
    slurm_on_hosts.cancel_all()


@pytest.fixture(scope="module")
def pilot(hosts: LoginNode) -> Iterator[Pilot]:
    """One of three nodes, each alone on its host; leave it with as many."""
    made = hosts.submit(
        nodes=3, cores=4, memory="3 GiB", exclusive=True, walltime="50min", lease="1h", name="engines"
    ).wait(timeout=120)
    yield made
    made.cancel()
