"""What is looked at before a pilot is started beside a Dask cluster: reach, versions, a shared folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from distributed.security import Security

from pilothouse.errors import Refused
from pilothouse.pilots import companion
from pilothouse.pilots.queues.dask import Cluster
from pilothouse.pilots.sites.files import systems
from pilothouse.state import home

ADDRESS = "tls://10.0.0.7:4321"


class FakeClient:
    """Of a cluster with one worker on another host, which answers as this one would, but for what the test says."""

    def __init__(self, packages: dict[str, str] | None = None, **differs: str) -> None:
        self._own = {"python": "3.11.7.final.0", "dask": "2026.1", "distributed": "2026.1"}
        self._theirs = {**self._own, **(packages or {})}
        self._differs = differs

    def get_versions(self) -> dict[str, Any]:
        return {"workers": {ADDRESS: {"packages": self._theirs}}, "client": {"packages": self._own}}

    def run(self, function: Callable[[str], dict[str, str]], path: str, *, on_error: str) -> dict[str, dict[str, str]]:
        assert on_error == "return"
        return {ADDRESS: {**function(path), **self._differs}}


def look(client: FakeClient) -> str:
    workers = {ADDRESS: {"name": "w1", "host": "10.0.0.7"}}
    return companion._check_workers(client, workers)  # type: ignore[arg-type]


def test_workers_with_all_that_it_takes_give_their_interpreter(state_home: Path) -> None:
    assert look(FakeClient({"python": "3.11.2.final.0"})) == sys.executable
    assert not list(home().glob(".shared-*")), "the file that they were to see is gone"


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (FakeClient({"distributed": "2025.1"}), r"has distributed 2025\.1, and this process 2026\.1: install the same"),
        (FakeClient({"python": "3.12.0.final.0"}), r"has python 3\.12, and this process 3\.11"),
        (FakeClient(version="", trouble="ModuleNotFoundError: no"), r"has no Pilothouse \(ModuleNotFoundError: no\)"),
        (FakeClient(version="0.0.1"), rf"has Pilothouse 0\.0\.1, and this process {version('pilothouse')}"),
        (FakeClient(word="", unseen="No such file"), r"does not see the state folder .* \(No such file\): set PILOTH"),
    ],
)
def test_a_worker_that_lacks_something_is_named_with_the_remedy(
    client: FakeClient, said: str, state_home: Path
) -> None:
    with pytest.raises(Refused, match=rf"the Dask worker 'w1' on 10\.0\.0\.7 \({ADDRESS}\) {said}"):
        look(client)


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("inproc://10.0.0.1/7/1", r"LocalCluster\(processes=True\)"),
        ("gateway://hub:8786/x", "the address of the scheduler itself"),
        ("ucx://10.0.0.1:8786", "begins with tcp:// or tls://"),
    ],
)
def test_an_address_that_another_process_can_not_use_is_refused(address: str, remedy: str) -> None:
    with pytest.raises(Refused, match=remedy) as caught:
        companion._check_protocol(address)
    assert caught.value.field == "address"


def test_a_scheduler_on_loopback_is_reached_on_loopback() -> None:
    assert companion._interface("tcp://127.0.0.1:8786") == (True, "lo")
    assert companion._interface("tcp://nowhere.invalid:8786") == (False, "")


def test_how_a_cluster_is_reached_is_kept_whole_and_for_its_user_alone(tmp_path: Path) -> None:
    security = Security.temporary(tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    kept = Cluster.of(ADDRESS, "Scheduler-1", security)
    kept.write(tmp_path / "cluster.json")
    assert (tmp_path / "cluster.json").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in repr(kept)
    found = Cluster.read(tmp_path / "cluster.json")
    assert found == kept
    assert found.keys().get_tls_config_for_role("client") == security.get_tls_config_for_role("client")
    assert found.keys().tls_min_version == security.tls_min_version
    plain = Cluster.of("tcp://10.0.0.7:1", "Scheduler-2", Security())
    assert not plain.keys().require_encryption


def test_no_site_file_can_name_an_attached_cluster() -> None:
    assert "dask" not in systems()
