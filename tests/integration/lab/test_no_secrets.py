"""After a real trade: no secret key, of Nostr or of TLS, but in its own private file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from nostr_sdk import SecretKey

import pilothouse as ph
from pilothouse.state import home
from pilothouse_lab.routes import PATHS
from tests.waiting import eventually


@pytest.fixture
def traded(local_pilot: ph.Pilot) -> Iterator[ph.Run]:
    """A job that has been bought and paid, its market still open."""
    market = ph.market.connect(pilot=local_pilot)
    market.provide("zoe", price=1, pilot=local_pilot)
    eventually(market.offers, "zoe's offer")
    job = market.post("fedavg", data="digits", budget=100, rounds=1, providers=1)
    assert job.result(timeout=120)["paid_msat"] == 1000
    yield job
    market.close()
    for run in ph.runs():
        run.stop()


def key_files() -> list[Path]:
    return [*(home() / "keys").iterdir(), *home().glob("pilots/*/tls.key")]


def secrets() -> list[bytes]:
    """The secrets, in each form in which they could be written."""
    found: list[bytes] = []
    for path in key_files():
        text = path.read_text().strip()
        if path.suffix == ".nsec":
            key = SecretKey.parse(text)
            found += [text.encode(), key.to_hex().encode(), bytes.fromhex(key.to_hex())]
        else:
            found += [line.encode() for line in text.splitlines() if "-----" not in line and len(line) > 40]
    assert len(found) > 6
    return found


def exposed(data: bytes) -> bool:
    return any(secret in data for secret in (*secrets(), b"nsec1", b"PRIVATE KEY"))


async def test_no_secret_leaves_its_file(ask: Any, traded: ph.Run, local_pilot: ph.Pilot, jp_fetch: Any) -> None:
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in key_files())
    for path in home().rglob("*"):
        if path.is_file() and path not in key_files():
            assert not exposed(path.read_bytes()), path
    supervisor = psutil.Process(local_pilot.record.supervisor.pid)
    for process in [supervisor, *supervisor.children(recursive=True)]:
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            assert not exposed(Path(f"/proc/{process.pid}/cmdline").read_bytes()), process.cmdline()
            assert not exposed(Path(f"/proc/{process.pid}/environ").read_bytes()), process.cmdline()
    asked = 0
    for path, handler in PATHS.items():
        if "get" not in vars(handler):
            continue
        names = [local_pilot.name] if "pilots" in path else [run.name for run in ph.runs()]
        for name in names if "{name}" in path else [""]:
            parts = path.replace("{name}", name).strip("/").split("/")
            answer = await jp_fetch("pilothouse", "api", "v1", *parts, raise_error=False, request_timeout=60)
            assert answer.code in (200, 400, 404, 426), (parts, answer.body)
            assert not exposed(answer.body), parts
            asked += 1
    assert asked > 8
    handles = [local_pilot, *ph.runs(), ph.market.connect()]
    for handle in handles:
        assert not exposed(repr(handle).encode())
        bundle = await asyncio.to_thread(getattr(handle, "_repr_mimebundle_", dict))
        assert not exposed(repr(bundle).encode())
