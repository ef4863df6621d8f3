"""Whole trades: a relay, a customer and providers, each in a process of its own on a real pilot."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pilothouse as ph
from pilothouse import state
from pilothouse.errors import Conflict, Failed, Refused, Unavailable
from pilothouse.market import Job
from pilothouse.market.blobs.server import BlobClient
from pilothouse.market.learning import datasets
from pilothouse.market.market import Market
from pilothouse.market.messages import events
from pilothouse.market.messages.events import BlobRef
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import verify
from pilothouse.market.nostr.relay import EmbeddedRelay
from pilothouse.market.nostr.session import Session
from pilothouse.pilots import Pilot
from pilothouse.runs.handle import Run
from tests.waiting import eventually, slowness

STRANGER = Path(__file__).parent / "stranger.py"


@pytest.fixture
def provider(market: Market) -> Iterator[Callable[..., Run]]:
    """Starts providers, waits for their offers, and stops them in the end."""
    started: list[Run] = []

    def start(name: str, **options: Any) -> Run:
        run = market.provide(name, **options)
        started.append(run)
        eventually(lambda: [one for one in market.offers() if one.name == name] or run.state.ended)
        assert not run.state.ended, run.reason
        return run

    yield start
    for run in started:
        run.stop()


@pytest.fixture
def stranger(market: Market, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Lets providers in that are not ours (see stranger.py), with keys and a process of their own, not on the pilot."""
    started: list[subprocess.Popen[str]] = []
    keys: list[str] = []

    def start(*modes: str) -> subprocess.Popen[str]:
        for mode in modes:
            keys.append(Identity.load(tmp_path / f"{mode}.nsec").npub)
            market.admit(keys[-1])
        command = [sys.executable, str(STRANGER), market.relays[0], str(tmp_path), *modes]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in modes] == ["offered\n"] * len(modes)
        return process

    yield start
    for process in started:
        try:
            process.communicate(timeout=30)  # the end of its input asks it to withdraw its offers and end
        finally:
            process.kill()
            process.wait()
    for key in keys:
        market.dismiss(key)


def held_out_accuracy(job: Job) -> float:
    digits = datasets.named("digits")
    parts = len(job.result()["contracts"])
    kept, *_ = datasets.split(digits.y, parts, job.parameters["seed"], job.parameters["held_out"])
    return float(np.mean(job.model().predict(digits.x[kept]) == digits.y[kept]))


def test_two_providers_train_the_digits_and_are_paid_for_each_round(
    market: Market, provider: Callable[..., Run]
) -> None:
    alice, bob = provider("alice", price=100), provider("bob", price=120)
    assert sorted((one.name, one.price_sat) for one in market.offers()) == [("alice", 100.0), ("bob", 120.0)]
    job = market.post("fedavg", data="digits", budget=10_000, rounds=3, providers=2)
    result = job.result(timeout=120)

    assert result["accuracy"] >= 0.95
    assert held_out_accuracy(job) == pytest.approx(result["accuracy"])
    assert [one["round"] for one in result["rounds"]] == [1, 2, 3]
    assert [one["reason"] for one in result["verdicts"]] == ["ok"] * 6
    assert result["paid_msat"] == 3 * (100 + 120) * 1000

    assert result["ledger"].balanced
    (balances,) = result["ledger"].balances().values()
    assert balances["purse"] == 10_000_000 - result["paid_msat"]
    assert balances["on-the-way"] == 0
    eventually(
        lambda: (alice.frame().columns["earned_msat"][-1], bob.frame().columns["earned_msat"][-1]) == (3e5, 3.6e5)
    )
    assert market.ledger().balanced
    assert alice.frame().columns["rounds"][-1] == 3

    receipts = market.receipts(job)
    assert [(one.round, one.accepted) for one in receipts] == [(n, True) for n in (1, 1, 2, 2, 3, 3)]
    assert sum(one.amount_sat for one in receipts) == 660
    assert {one.id for one in receipts} == {one["event"] for one in result["receipts"]}
    (call,) = [one for one in market.calls() if one.job == result["job"]]
    assert call.customer == receipts[0].customer

    for signed in result["contracts"]:
        contract = events.Contract.model_validate({k: v for k, v in signed.items() if k not in {"hash", "acceptance"}})
        signature = verify(signed["acceptance"])
        assert (signature.author, signature.content) == (contract.provider, contract.hash) == (
            signed["provider"], signed["hash"],
        )  # fmt: skip

    telemetry = job.telemetry
    assert telemetry["accuracy"].values[-1] == pytest.approx(result["accuracy"])
    assert (np.diff(telemetry["paid_msat"]) > 0).all()
    assert telemetry["loss"].shape == (3,)
    assert job.progress == {"done": 3.0, "total": 3.0, "unit": "rounds"}
    assert "accuracy" in ph.market.accuracy_figure(job).title.text

    relay_and_blobs = json.loads((market.run.folder / "market.json").read_text())  # type: ignore[union-attr]
    assert ph.market.connect().relays == [relay_and_blobs["relay"]]  # found again, not started again


def test_no_secret_key_is_anywhere_but_in_its_private_file(market: Market, provider: Callable[..., Run]) -> None:
    provider("carol")
    market.post("fedavg", data="digits", budget=1000, rounds=1, providers=1).result(timeout=120)
    keys = list((state.home() / "keys").iterdir())
    assert {path.name for path in keys} >= {"customer.nsec", "provider-carol.nsec"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in keys)
    secrets = [path.read_text().strip().encode() for path in keys]
    assert all(re.fullmatch(rb"nsec1[a-z0-9]{58}", secret) for secret in secrets)
    for path in state.home().rglob("*"):
        if path.is_file() and path not in keys:
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path
            assert b"nsec1" not in content, path


@pytest.mark.slow
def test_providers_that_return_garbage_are_not_paid_and_the_job_completes(
    market: Market, provider: Callable[..., Run], stranger: Callable[..., Any]
) -> None:
    expected = {"noise": "no-work", "lazy": "no-update", "wrong-hash": "unreadable", "pickle": "unreadable"}
    provider("dora", price=100)
    stranger(*expected)
    names = {one.provider: one.name for one in market.offers()}
    job = market.post("fedavg", data="digits", budget=10_000, rounds=3, providers=5)
    result = job.result(timeout=200)
    found: dict[str, list[tuple[int, str, bool]]] = {}
    for one in result["verdicts"]:
        found.setdefault(names[one["provider"]], []).append((one["round"], one["reason"], one["accepted"]))
    assert found.pop("dora") == [(1, "ok", True), (2, "ok", True), (3, "ok", True)]
    # after two rounds without an accepted result the contract ends
    assert found == {mode: [(1, reason, False), (2, reason, False)] for mode, reason in expected.items()}
    assert result["accuracy"] > 0.85  # on a fifth of the data
    assert result["paid_msat"] == 300_000
    assert result["ledger"].balanced
    paid = {(names[one.provider], one.amount_sat) for one in market.receipts(job)}
    assert paid == {("dora", 100)} | {(mode, 0) for mode in expected}


@pytest.mark.slow
def test_provider_killed_in_mid_round_does_not_stop_the_job(
    market: Market, provider: Callable[..., Run], stranger: Callable[..., Any]
) -> None:
    provider("emma")
    victim = stranger("hang")
    job = market.post("fedavg", data="digits", budget=10_000, rounds=3, providers=2, patience_seconds=2.0)
    assert victim.stdout.readline() == "training\n"
    victim.send_signal(signal.SIGKILL)
    result = job.result(timeout=120)
    assert [one["reason"] for one in result["verdicts"]].count("late") == 2
    assert len(result["rounds"]) == 3
    assert result["paid_msat"] == 300_000
    assert result["ledger"].balanced


@pytest.mark.slow
def test_impostor_cannot_answer_for_a_provider(
    market: Market, provider: Callable[..., Run], stranger: Callable[..., Any]
) -> None:
    """It copies the name and the terms of the other's offer; its messages are its own key's all the same."""
    provider("fay", price=100)
    stranger("impostor")
    result = market.post("fedavg", data="digits", budget=10_000, rounds=1, providers=1).result(timeout=120)
    (paid,) = {one["provider"] for one in result["verdicts"]}
    fays = {one.provider for one in market.offers() if one.name == "fay"}
    assert len(fays) == 2
    assert paid in fays
    assert result["contracts"][0]["provider"] == paid


def test_nobody_else_on_the_host_gets_into_the_lab_market(market: Market, provider: Callable[..., Run]) -> None:
    """A stranger who found the ports: with a key of its own it sees no call, offers nothing, and gets no blob."""
    eve = Identity.generate()
    with pytest.raises(Refused, match=eve.npub):
        Session(eve, market.relays)
    provider("nina", price=100)
    job = market.post("fedavg", data="digits", budget=1000, rounds=1, providers=1)
    assert job.result(timeout=120)["accuracy"] > 0.8
    assert market.run is not None
    assert market.blobs is not None
    stored = list((market.run.folder / "blobs").iterdir())
    assert stored
    for path in stored:
        ref = BlobRef(sha256=path.name, size=path.stat().st_size, server=market.blobs)
        with pytest.raises(Unavailable, match="403"):
            BlobClient(eve).get(ref)
    with pytest.raises(Unavailable, match="403"):
        BlobClient(eve).put(b"mine", market.blobs)
    assert eve.npub not in {one.npub for one in market.admitted()}
    assert {one.name for one in market.admitted()} >= {"customer", "provider-nina"}

    assert eve.npub in {one.npub for one in market.admit(eve.npub)}
    with Session(eve, market.relays) as session:
        assert session.fetch({"kinds": [events.CALL]})
        market.dismiss(eve.npub)
        with pytest.raises(Unavailable, match="restricted"):
            session.publish(events.OFFER, "{}", [["d", "eve"]], ttl=60)


@pytest.mark.slow
def test_provider_is_free_again_when_the_blob_server_is_away(
    market: Market, local_pilot: Pilot, provider: Callable[..., Run]
) -> None:
    """The contract is signed by then: the customer ends it before it gives up."""
    olaf = provider("olaf")
    astray = Market(market.relays, "http://127.0.0.1:9", local_pilot, market.run)
    job = astray.post("fedavg", data="digits", budget=1000, rounds=1, providers=1)
    with pytest.raises(Failed, match="blob server"):
        job.result(timeout=120)
    astray.close()
    eventually(lambda: "contract ended" in {event["what"] for event in olaf.events()})


def test_job_without_providers_fails_with_the_reason_and_spends_nothing(market: Market) -> None:
    job = market.post("fedavg", data="digits", budget=1000, bid_seconds=1.0)
    with pytest.raises(Failed, match="no provider bid within 1 s"):
        job.result(timeout=60)
    accounts = [some for name, some in market.ledger().ledgers.items() if name == job.parameters["job"]]
    assert [[one.what for one in some] for some in accounts] == [["fund"]]


def test_provider_does_not_work_below_its_price(market: Market, provider: Callable[..., Run]) -> None:
    provider("gina", price=500)
    job = market.post("fedavg", data="digits", budget=1000, rounds=3, providers=1, bid_seconds=1.0)
    with pytest.raises(Failed, match="raise the budget"):
        job.result(timeout=60)


def test_job_that_is_stopped_keeps_the_rounds_that_it_has(market: Market, provider: Callable[..., Run]) -> None:
    provider("hana", price=1)
    hana = ph.attach("hana")
    job = market.post("fedavg", data="digits", budget=10_000, rounds=1000, providers=1)
    eventually(lambda: (job.progress or {"done": 0})["done"] >= 2)
    begun = time.monotonic()
    job.stop()
    assert time.monotonic() - begun < 4 * slowness()
    result = job.result()
    assert 2 <= len(result["rounds"]) < 1000
    assert result["paid_msat"] == 1000 * len(result["rounds"])
    assert job.model().predict(np.zeros((1, 64))).shape == (1,)
    eventually(lambda: "contract ended" in {event["what"] for event in hana.events()})  # free for others


@pytest.mark.slow
def test_job_on_arrays_of_ones_own(market: Market, provider: Callable[..., Run]) -> None:
    provider("ines")
    random = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = random.normal(size=(300, 4)) + 3 * np.eye(3, 4)[y]
    job = market.post("fedavg", data=(x, y), budget=1000, rounds=2, providers=1, training={"trainer": "softmax"})
    assert job.result(timeout=120)["accuracy"] > 0.9
    assert set(job.model().arrays) == {"W", "b"}
    with pytest.raises(Exception, match=r"\(n, 4\)"):
        job.model().predict(np.zeros((2, 5)))


def test_two_providers_cannot_have_one_name(market: Market, provider: Callable[..., Run]) -> None:
    provider("june")
    with pytest.raises(Conflict, match="june"):
        market.provide("june")


def test_job_whose_relay_goes_ends_with_the_reason(local_pilot: Pilot) -> None:
    """On a relay of one's own that is gone by the time the job starts: nothing hangs."""
    relay = EmbeddedRelay(lambda pubkey: True)
    market = ph.market.connect([relay.url], blobs="http://127.0.0.1:9", pilot=local_pilot)
    relay.close()
    port = int(relay.url.rsplit(":", 1)[1])

    def gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    eventually(gone)
    job = market.post("fedavg", data="digits", budget=1000)
    with pytest.raises(Failed, match=re.escape(relay.url)):
        job.result(timeout=60)
    market.close()


def test_unreachable_relay_starts_nothing(local_pilot: Pilot) -> None:
    before = {run.name for run in ph.runs()}
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=re.escape("ws://127.0.0.1:9")):
        ph.market.connect(["ws://127.0.0.1:9"], pilot=local_pilot)
    assert time.monotonic() - begun < 10 * slowness()
    assert {run.name for run in ph.runs()} == before


def test_market_and_providers_outlive_the_process_that_started_them(market: Market, local_pilot: Pilot) -> None:
    program = "import pilothouse as ph; ph.market.connect().provide('kate', pilot=ph.attach('tests'))"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=dict(os.environ))
    eventually(lambda: [one for one in market.offers() if one.name == "kate"])
    kate = ph.attach("kate")
    assert isinstance(kate, Run)
    kate.stop()
    assert kate.result() == {"rounds": 0, "rejected": 0, "earned_msat": 0}
    eventually(lambda: not [one for one in market.offers() if one.name == "kate"])
