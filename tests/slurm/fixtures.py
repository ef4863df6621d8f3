"""Fixtures with a real Slurm for tests anywhere in the tree.

Daemons are started once a session, by the first test that wants them. ``SLURM_CONF`` is in ``os.environ`` while a test
runs that wants one of them, and points to the one that it wants: other tests see a machine without Slurm.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import SlurmCluster, missing_programs
from tests.slurm.login_node import LoginNode, login_node

_CONF = {name: pytest.StashKey[str]() for name in ("slurm_accounting", "slurm_on_hosts", "slurm")}


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that use a cluster carry the marker ``slurm``."""
    for item in items:
        if _wanted(item):
            item.add_marker(pytest.mark.slurm)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Point to the cluster that this test wants, also for fixtures of a wider scope that it starts."""
    wanted = [item.session.stash.get(_CONF[name], None) for name in _wanted(item)]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SLURM_CONF", raising=False)
        if wanted and wanted[0]:
            patch.setenv("SLURM_CONF", wanted[0])
        return (yield)


@pytest.fixture(scope="session")
def slurm(request: pytest.FixtureRequest) -> Iterator[SlurmCluster]:
    """Slurm with four emulated nodes, shared by the tests of a session: leave no jobs, or use `empty_slurm`."""
    yield from _cluster(request, "slurm")


@pytest.fixture(scope="session")
def slurm_accounting(request: pytest.FixtureRequest) -> Iterator[SlurmCluster]:
    """One more, with sacct and limits: lift what you set. A test has this one or `slurm`, not both."""
    yield from _cluster(request, "slurm_accounting", accounting=True)


@pytest.fixture(scope="session")
def slurm_on_hosts(request: pytest.FixtureRequest) -> Iterator[SlurmCluster]:
    """One whose nodes are hosts, for tests that ``python -m tests.slurm`` runs."""
    yield from _cluster(request, "slurm_on_hosts", hosts=True)


@pytest.fixture
def empty_slurm(slurm: SlurmCluster) -> Iterator[SlurmCluster]:
    """`slurm` without jobs of earlier tests; what the test leaves is cancelled."""
    yield from _emptied(slurm)


@pytest.fixture
def empty_slurm_accounting(slurm_accounting: SlurmCluster) -> Iterator[SlurmCluster]:
    """`slurm_accounting` without jobs of earlier tests; what the test leaves is cancelled."""
    yield from _emptied(slurm_accounting)


@pytest.fixture
def login(tmp_path: Path, empty_slurm: SlurmCluster) -> Iterator[LoginNode]:
    """A login node of a cluster without jobs."""
    del tmp_path  # it is made before a login node has another idea of where temporary files go
    with login_node(empty_slurm) as node:
        yield node


@pytest.fixture
def login_accounting(tmp_path: Path, empty_slurm_accounting: SlurmCluster) -> Iterator[LoginNode]:
    """A login node of a cluster without jobs that has accounts and limits."""
    del tmp_path
    with login_node(empty_slurm_accounting) as node:
        yield node


def _wanted(item: pytest.Item) -> list[str]:
    return [name for name in _CONF if name in getattr(item, "fixturenames", ())]


def _cluster(
    request: pytest.FixtureRequest, name: str, *, accounting: bool = False, hosts: bool = False
) -> Iterator[SlurmCluster]:
    if missing := missing_programs(accounting=accounting):
        packages = "slurm-wlm, slurm-client, munge, slurm-wlm-basic-plugins" + ", slurmdbd, mariadb-server" * accounting
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: {packages}; `make debian` as root)")
    with SlurmCluster(accounting=accounting, hosts=hosts) as cluster, pytest.MonkeyPatch.context() as patch:
        conf = request.session.stash[_CONF[name]] = cluster.environment["SLURM_CONF"]
        patch.setenv("SLURM_CONF", conf)  # for the rest of the test that starts it
        yield cluster
        del request.session.stash[_CONF[name]]


def _emptied(cluster: SlurmCluster) -> Iterator[SlurmCluster]:
    cluster.cancel_all()
    yield cluster
    cluster.cancel_all()
