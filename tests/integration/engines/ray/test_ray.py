"""A real Ray on a local pilot: ready, extended, drained, stopped with nothing left; nobody without its token."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import pilothouse as ph
from pilothouse.engines.ray.service import RayService
from pilothouse.errors import Conflict
from pilothouse.pilots import Pilot
from tests.another_account import answers, is_shown, needs_root, open_files
from tests.listening import listeners
from tests.waiting import eventually

pytestmark = pytest.mark.engines
pytest.importorskip("ray")

#: What Ray's web servers can be asked for: what runs programs first.
PAGES = [
    ("POST", "/api/job_agent/jobs/"), ("POST", "/api/jobs/"), ("POST", "/get_or_create_runtime_env"), ("GET", "/"),
    ("GET", "/logs/"),
]  # fmt: skip
#: Asks a Ray for its nodes.
STRANGER = """
import sys, ray
try:
    ray.init(address=sys.argv[1], _node_ip_address=sys.argv[1].split(":")[0], logging_level="ERROR")
    print("LET IN", ray.nodes())
except BaseException as error:
    print("REFUSED", type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def pilot(_private_places: None) -> Iterator[Pilot]:
    with ph.submit("local", name="rays", nodes=2, cores=1).wait(timeout=60) as found:
        yield found


@pytest.fixture(scope="module")
def service(pilot: Pilot) -> Iterator[RayService]:
    found: Any = pilot.start("ray", object_store="100MB", name="ray")
    found.wait(timeout=240)
    yield found
    import ray

    ray.shutdown()
    found.stop(timeout=60)


def processes(folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or []):
            found.append(process)
    return found


def test_a_client_has_its_tasks_run_on_the_nodes(service: RayService) -> None:
    ray = service.client()
    assert service.client() is ray
    assert ray.get(ray.remote(lambda n: (2 * n, os.environ["PILOTHOUSE_PILOT"])).remote(21)) == (42, "rays")
    eventually(lambda: service.metrics()[service.nodes[0]]["cores"] == 1.0, "figures of one node")
    assert not [each for each in processes(service.address) if "ray.util.client.server" in each.cmdline()]


def test_nobody_is_let_in_without_the_token(service: RayService, tmp_path: Path) -> None:
    token = service.secrets["token"]
    wrong = tmp_path / "wrong"
    wrong.write_text("x" * len(token))
    for own in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(wrong)}):
        env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | own
        env["RAY_NUM_REDIS_GET_RETRIES"] = "1"  # else it asks twenty times
        command = [sys.executable, "-c", STRANGER, service.address]
        stranger = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        assert stranger.stdout.startswith("REFUSED")
        assert "InvalidAuthToken" in stranger.stderr
    for process in processes(service.members[0]["folder"]):
        assert token not in " ".join(process.cmdline())
        assert token not in str(process.environ())
    for file in (service.folder / "secrets.json", service.folder / "ray.token"):
        if file.exists():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


@needs_root
def test_another_account_reads_nothing_and_is_let_in_nowhere(service: RayService) -> None:
    folder = Path(service.members[0]["folder"])
    assert service.client().is_initialized()
    assert not is_shown(service.secrets["token"])
    assert open_files(service.folder, folder) == []
    ports = {listener.port for process in processes(str(folder)) for listener in listeners(process.pid)}
    asked = [("127.0.0.1", port, method, path) for port in sorted(ports) for method, path in PAGES]
    let_in = [(port, path) for (_, port, _, path), code in zip(asked, answers(asked), strict=True) if code == 200]
    assert let_in == []


def test_a_worker_comes_and_is_drained_before_it_goes(service: RayService) -> None:
    ray = service.client()
    service.extend().wait(timeout=240)
    alive = [node for node in ray.nodes() if node["Alive"]]
    assert len(alive) == 2
    mine = f"pilothouse-{service.members[-1]['number']}"

    @ray.remote(resources={mine: 0.1}, num_cpus=0)
    def there() -> str:
        import time

        time.sleep(2.0)
        return "done"

    running = there.remote()
    eventually(lambda: ray.available_resources().get(mine, 1.0) < 1.0, "a task on the worker")
    service.shrink().wait(timeout=120)
    assert ray.get(running, timeout=60) == "done"
    assert len([node for node in ray.nodes() if node["Alive"]]) == 1
    with pytest.raises(Conflict):  # of the last one
        service.shrink()


def test_nothing_is_left_of_one_that_is_stopped(pilot: Pilot, service: RayService) -> None:
    other: Any = pilot.start("ray", object_store="100MB")
    other.wait(timeout=240)
    with pytest.raises(Conflict, match=r"ray\.shutdown\(\) first"):
        service.client() and other.client()
    folder = other.members[0]["folder"]
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
    assert json.loads((Path(folder) / "owner.json").read_text())
    other.stop(timeout=60)
    assert not Path(folder).exists()
    assert not processes(folder)
