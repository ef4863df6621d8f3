"""YARN for real, on a local pilot: one service for the tests of this file."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.errors import Conflict
from pilothouse.registry.line import client as control
from pilothouse.registry.records import PILOTS
from pilothouse_lab.pages import linked
from tests.integration.engines.hadoop.daemons import daemons
from tests.integration.engines.yarn import PATIENCE_S, local_pilot, yarn_on
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.cluster import Cluster
    from pilothouse.engines.hadoop.yarn_service import YARNService
    from pilothouse.pilots import Pilot

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def pilot(_private_places: None) -> Iterator[Pilot]:
    with local_pilot("yarn-tests", 3) as made:
        yield made


@pytest.fixture(scope="module")
def yarn(pilot: Pilot) -> Iterator[YARNService]:
    with yarn_on(pilot) as service:
        yield service


@contextlib.contextmanager
def running_one(cluster: Cluster, command: str = "sleep 600", cores: int = 1) -> Iterator[str]:
    """An application that is a command, and has its container; afterwards no container is left of it."""
    number = submitted(cluster, command, cores)
    try:
        eventually(lambda: cluster.application(number).launched, "its container", within=120)
        yield number
    finally:
        cluster.kill(number)
        eventually(lambda: not containers(cluster), "the containers' end", within=120)


def submitted(cluster: Cluster, command: str = "sleep 600", cores: int = 1) -> str:
    number, _ = cluster.new_application()
    cluster.submit(
        {
            "application-id": number, "application-name": "test", "application-type": "TEST", "max-app-attempts": 1,
            "resource": {"memory": 128, "vCores": cores},
            "am-container-spec": {"commands": {"command": command}},
        }
    )  # fmt: skip
    return number


def containers(cluster: Cluster) -> int:
    return sum(node.containers for node in cluster.nodes())


def running(cluster: Cluster) -> int:
    return sum(node.state == "RUNNING" for node in cluster.nodes())


def test_its_nodes_have_what_was_asked_for_and_its_figures_say_so(yarn: YARNService) -> None:
    cluster = yarn.client()
    assert [(node.has.memory, node.has.cores) for node in cluster.nodes()] == [(3 << 30, 2)] * 2
    assert cluster.info()["state"] == "STARTED"
    assert [queue.name for queue in cluster.queues()] == ["default"]
    assert yarn.address.startswith("http://127.0.0.1:")
    assert "yarn.resourcemanager.webapp.address" in (yarn.conf_dir / "yarn-site.xml").read_text()
    other: Any = ph.attach(yarn.name)
    assert other.client().addresses == cluster.addresses
    with running_one(cluster):
        eventually(lambda: _sum(yarn, "memory_used") == 128 << 20, "figures")
        eventually(lambda: _sum(yarn, "containers") == 1, "its container in them")
    eventually(lambda: _sum(yarn, "containers") == 0, "that it has gone from them")


def _sum(service: YARNService, figure: str) -> float:
    return sum(each.get(figure, 0) for each in service.metrics().values())


def test_its_pages_are_had_through_the_supervisor_with_links_below_their_place(
    yarn: YARNService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTHOUSE_SERVER", "/user/alice/")
    place = yarn.dashboard.removesuffix("/")
    assert place == f"/user/alice/pilothouse/services/{yarn.name}/dashboard"
    connection = HTTPConnection("pages")
    connection.sock = control.connect(PILOTS.read(yarn.pilot), "pages", name=yarn.name)
    connection.request("GET", "/cluster/nodes")
    answer = connection.getresponse()
    assert answer.status == 200
    page = linked(answer.read(), "text/html", place, "").decode()
    connection.close()
    links = re.findall(r"""(?:href|src)=["'](/[^"']*)""", page)
    assert f"{place}/cluster/apps" in links
    assert [link for link in links if not link.startswith((f"{place}/", "//"))] == []


def test_a_node_joins_and_one_with_containers_stays(pilot: Pilot, yarn: YARNService) -> None:
    cluster = yarn.client()
    yarn.extend().wait(timeout=PATIENCE_S)
    assert running(cluster) == 3
    numbers = [submitted(cluster, cores=2) for _ in range(3)]  # one fills a node
    eventually(lambda: all(cluster.application(number).launched for number in numbers), "their containers", within=120)
    yarn.shrink()
    eventually(lambda: not all(node.has.cores for node in cluster.nodes()), "that nothing more comes to the last node")
    assert running(cluster) == 3  # it waits
    assert containers(cluster) == 3
    for number in numbers:
        cluster.kill(number)
    eventually(lambda: len(yarn.nodes) == 2, "the last node leaves", within=120)
    eventually(lambda: running(cluster) == 2, "YARN knows", within=60)


def test_applications_outlive_a_resource_manager_that_dies(yarn: YARNService) -> None:
    cluster = yarn.client()
    with running_one(cluster) as number:
        begun = cluster.info()["startedOn"]
        (manager,) = [p for p in daemons(yarn) if any(word.endswith(".ResourceManager") for word in p.cmdline())]
        manager.kill()
        eventually(lambda: cluster.info()["startedOn"] > begun, "another one", within=PATIENCE_S)
        eventually(lambda: running(cluster) == 2, "its nodes", within=PATIENCE_S)
        eventually(lambda: cluster.application(number).state == "ACCEPTED", "its applications")


def test_its_first_node_can_not_be_spared(yarn: YARNService) -> None:
    with pytest.raises(Conflict):
        yarn.shrink(2)


def test_a_container_starts_within_a_second_or_so(yarn: YARNService) -> None:
    cluster = yarn.client()
    mark = yarn.folder / "begun"
    begun = time.time()
    with running_one(cluster, f"touch '{mark}'; sleep 600"):
        eventually(mark.exists, "its command", within=60)
        assert mark.stat().st_mtime - begun < 30  # the benchmark has the bound


def test_nothing_is_left_of_it(yarn: YARNService) -> None:
    submitted(yarn.client())
    found = daemons(yarn)
    assert len(found) == 3
    scratch = {_scratch(process) for process in found}
    assert len([folder for folder in scratch if folder.is_dir()]) == 2
    commands = eventually(lambda: _sleeping(found), "its command", within=120)
    yarn.stop()  # the last test of this file
    assert not [p for p in [*found, *commands] if remains.is_running(p)]
    assert not [folder for folder in scratch if folder.exists()]


def _sleeping(managers: list[psutil.Process]) -> list[psutil.Process]:
    return [p for manager in managers for p in manager.children(recursive=True) if p.name() == "sleep"]


def _scratch(daemon: psutil.Process) -> Path:
    """The folder of the member of which this is a daemon: the class path ends there."""
    return Path(next(word for word in daemon.cmdline() if word.endswith("/pages")).rpartition(":")[2]).parent
