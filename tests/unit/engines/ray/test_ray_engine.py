"""Where Ray is refused, who is its head, and whose client a process may have."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from pilothouse.engines.ray import engine as engine_module
from pilothouse.engines.ray import service as service_module
from pilothouse.engines.ray import versions
from pilothouse.engines.ray.engine import Ray
from pilothouse.engines.ray.exposure import check_private, public_addresses
from pilothouse.engines.ray.service import RayService
from pilothouse.engines.settings import checked
from pilothouse.errors import Conflict, InvalidInput, Refused, Unavailable

PRIVATE, PUBLIC = "10.1.2.3", "8.8.4.4"
SAME = {"python": "3.11.2", "ray": "2.60.0"}


def with_addresses(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    there = [types.SimpleNamespace(address=address) for address in addresses]
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": there})


def pilot(site: str) -> Any:
    return types.SimpleNamespace(site=site)


def test_a_host_that_the_internet_reaches_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with_addresses(monkeypatch, PRIVATE, "fe80::1%eth0", "00:11:22:33:44:55")
    check_private("n1")
    with_addresses(monkeypatch, PRIVATE, PUBLIC, "2606:4700::1111")
    assert public_addresses() == [PUBLIC, "2606:4700::1111"]
    with pytest.raises(Refused, match=rf"n1 has {PUBLIC}, .* listen on all interfaces.*public=True") as caught:
        check_private("n1")
    assert caught.value.field == "public"


def test_it_is_refused_before_anything_is_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "find_spec", lambda _: object())
    with_addresses(monkeypatch, PUBLIC)
    model = Ray().settings()
    with pytest.raises(Refused):
        Ray().check(pilot("local"), 1, checked("ray", model, {}))
    Ray().check(pilot("local"), 1, checked("ray", model, {"public": True}))
    Ray().check(pilot("slurm"), 1, checked("ray", model, {}))  # its nodes look for themselves
    monkeypatch.setattr(engine_module, "find_spec", lambda _: None)
    with pytest.raises(Unavailable, match=r"pip install 'pilothouse\[ray\]'"):
        Ray().check(pilot("slurm"), 1, checked("ray", model, {}))


def test_settings_are_checked() -> None:
    model = Ray().settings()
    assert checked("ray", model, {"object_store": "1GiB"}).model_dump()["object_store"] == 2**30
    with pytest.raises(InvalidInput, match="object_store"):
        checked("ray", model, {"object_store": "1MB"})


def test_the_first_is_the_head_without_which_nothing_is_left() -> None:
    ray = Ray()
    assert ray.role([], 2) == "head"
    assert ray.role(["head", "worker"], 3) == "worker"
    assert ray.first("head")
    assert not ray.first("worker")
    assert "head alone knows" in ray.loses("head", ["worker"])
    assert ray.loses("worker", ["head"]) == ""


def test_each_service_has_a_token_of_its_own() -> None:
    settings = checked("ray", Ray().settings(), {})
    tokens = {Ray().secrets(settings)["token"] for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 32 for token in tokens)


@pytest.mark.parametrize(
    ("theirs", "agree"),
    [
        (SAME, True),
        ({**SAME, "python": "3.11.9"}, True),
        ({**SAME, "python": "3.12.2"}, False),
        ({**SAME, "ray": "2.59.0"}, False),
    ],
)
def test_versions_have_to_agree(monkeypatch: pytest.MonkeyPatch, theirs: dict[str, str], agree: bool) -> None:
    monkeypatch.setattr(versions, "here", lambda: SAME)
    if agree:
        versions.check(theirs, "this process")
    else:
        with pytest.raises(Refused, match=r"this process has Ray 2\.60\.0 with Python 3\.11\.2, the head"):
            versions.check(theirs, "this process")


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A handle of a service that runs here, as far as its client asks for it."""

    class Handle(RayService):
        def __new__(cls) -> Any:
            return object.__new__(cls)

        name, address, folder = "ray-1", "127.0.0.2:6379", tmp_path  # type: ignore[assignment]
        members: ClassVar = [{"address": "127.0.0.2:6379", "ip": "127.0.0.2", "node": "n-1", **SAME}]
        secrets: ClassVar = {"token": "sesame"}

        def __init__(self) -> None: ...

    monkeypatch.setattr(versions, "here", lambda: SAME)
    monkeypatch.setattr(service_module, "find_spec", lambda _: object())
    monkeypatch.setattr(service_module, "_forget_token", lambda: None)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return Handle()


def a_ray(monkeypatch: pytest.MonkeyPatch, there: str) -> list[dict[str, Any]]:
    """A module ray that is connected to the one at `there`; what it was called with to connect."""
    calls: list[dict[str, Any]] = []
    module: Any = types.ModuleType("ray")
    module.is_initialized = lambda: bool(there)
    module.get_runtime_context = lambda: types.SimpleNamespace(gcs_address=there)
    module.init = lambda **options: calls.append(options)
    monkeypatch.setitem(sys.modules, "ray", module)
    return calls


def test_a_client_has_the_token_in_a_file_of_its_users_alone(handle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = a_ray(monkeypatch, "")
    handle.client()
    assert calls[0]["address"] == "127.0.0.2:6379"
    file = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert file.read_text() == "sesame"
    assert file.stat().st_mode & 0o077 == 0
    assert "sesame" not in str(dict(os.environ))
    monkeypatch.delenv("RAY_AUTH_MODE")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")


def test_a_process_has_one_client_at_a_time(handle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert a_ray(monkeypatch, "127.0.0.2:6379") == []
    assert handle.client() is sys.modules["ray"]  # the same at each call
    before = dict(os.environ)
    a_ray(monkeypatch, "127.0.0.9:1")
    with pytest.raises(Conflict, match=r"connected to the Ray at '127\.0\.0\.9:1'.*ray\.shutdown\(\) first"):
        handle.client()
    assert dict(os.environ) == before
    monkeypatch.delenv("RAY_AUTH_MODE")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")


def test_a_driver_is_on_a_host_of_the_cluster(handle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    a_ray(monkeypatch, "")
    handle.members[0]["ip"] = "203.0.113.7"  # of nobody
    with pytest.raises(Unavailable, match="no node of 'ray-1' is on this host"):
        handle.client()
    assert "RAY_AUTH_MODE" not in os.environ
