"""Jobs whose pilot is lost in the middle: they go on, and nothing is trained, paid or published twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import pilothouse as ph
from pilothouse.market import TrainingResult
from pilothouse.market.customer.state import COMMITTED
from pilothouse.market.lab_market.following import ledgers
from pilothouse.market.market import Market
from pilothouse.market.messages import events
from pilothouse.market.money import ledger
from pilothouse.pilots import Pilot
from pilothouse.registry.records import RUNS
from pilothouse.runs.handle import Run
from tests.integration.market.trading import (
    BUDGET,
    CHEAP,
    PRICES,
    PUBLISH,
    ROUNDS,
    SEND,
    assert_books_agree,
    by_day,
    earned,
    job,
    lose,
    provider,
    recovered,
    trained,
)
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def providers(market: Market, local_pilot: Pilot) -> Iterator[list[Run]]:
    runs = [provider(market, local_pilot, name) for name in PRICES]
    yield runs
    for run in runs:
        run.stop()


@pytest.fixture(scope="module")
def whole(market: Market, providers: list[Run], local_pilot: Pilot) -> TrainingResult:
    """The job, uninterrupted."""
    return job(market, local_pilot, "whole").result(timeout=120)


#: Where the customer and its supervisor are killed: target, which call of it, before or after it, kind of event.
CUSTOMER: dict[str, list[Any]] = {
    "bidding": [PUBLISH, 1, "after", events.CALL],
    "proposing": [SEND, 1, "after", events.CONTRACT],
    "before-the-first-round": ["pilothouse.market.customer.trading:Customer._deal", 1, "after", None],
    "after-an-order": ["pilothouse.market.customer.trading:Customer._order", 2, "after", None],
    "one-answer-of-two": ["pilothouse.market.customer.state:Committed.keep", 3, "after", None],
    "between-payment-and-delivery": [SEND, 3, "before", events.VERDICT],
    "delivered-and-not-noted": [SEND, 4, "after", events.VERDICT],
    "receipt-not-noted": [PUBLISH, 3, "after", events.RECEIPT],
    "all-paid-and-not-closed": ["pilothouse.market.customer.result_file:Books.close_round", 2, "before", None],
    "after-the-last-round": ["pilothouse.market.customer.trading:Customer.leave", 1, "before", None],
}


def first_result(run: Run) -> None:
    """Wait until the job has accepted one."""
    eventually(lambda: [one for one in run.events() if one["what"] == "accepted"] or run.state.ended, "a result")
    assert not run.state.ended, run.reason


@pytest.mark.parametrize("point", by_day(CUSTOMER, {"bidding", "between-payment-and-delivery"}))
def test_a_job_goes_on_where_its_customer_was(
    market: Market, providers: list[Run], whole: TrainingResult, frail: Pilot, point: str
) -> None:
    before = [len(trained(run)) for run in providers]
    run = job(market, frail, point, tear=CUSTOMER[point])
    recovered(frail)
    result = run.result(timeout=90)
    assert frail.not_recovered == []
    assert RUNS.read(run.name).resumed == 1
    assert_books_agree(market, run, result, list(PRICES))
    model, expected = result.model(), whole.model()
    assert all((model.arrays[name] == values).all() for name, values in expected.arrays.items())
    assert [one["accuracy"] for one in result["rounds"]] == [one["accuracy"] for one in whole["rounds"]]
    assert [len(trained(run)) - number for run, number in zip(providers, before, strict=True)] == [ROUNDS, ROUNDS]


def test_a_job_whose_supervisor_alone_dies_keeps_its_contracts(
    market: Market, providers: list[Run], whole: TrainingResult, frail: Pilot
) -> None:
    """Its process lives long enough to see that, and must not end what another one will go on with."""
    run = job(market, frail, "orphaned")
    first_result(run)
    lose(frail)
    recovered(frail)
    result = run.result(timeout=90)
    assert_books_agree(market, run, result, list(PRICES))
    assert (result.model().arrays["W1"] == whole.model().arrays["W1"]).all()


@pytest.mark.nightly
def test_a_job_whose_provider_has_gone_says_so_and_keeps_its_money(
    market: Market, frail: Pilot, local_pilot: Pilot
) -> None:
    gone = provider(market, local_pilot, "pia")
    tear = [PUBLISH, 1, "after", events.RECEIPT]
    run = job(market, frail, "left", providers=1, rounds=5, tear=tear, round_seconds=3.0)
    eventually(lambda: frail.state == "lost", "the loss to be seen", within=90)
    gone.stop()
    frail.recover()
    with pytest.raises(ph.errors.Failed, match="no provider is left after round 3"):
        run.result(timeout=90)
    written = ledger.read(ledgers() / "left.jsonl")
    assert ledger.balances_of(written)["purse"] == BUDGET - CHEAP
    assert ledger.balances_of(written)["on-the-way"] == 0


@pytest.mark.nightly
def test_a_job_that_stood_still_for_longer_than_its_contracts_fails_and_keeps_its_money(
    market: Market, providers: list[Run], frail: Pilot
) -> None:
    run = job(market, frail, "late", tear=CUSTOMER["before-the-first-round"])
    eventually(lambda: frail.state == "lost", "the loss to be seen", within=90)
    path = RUNS.folder(run.name) / COMMITTED
    committed = json.loads(path.read_bytes())
    for signed in committed["signed"]:
        signed["contract"]["expires"] = 1
    path.write_text(json.dumps(committed))
    frail.recover()
    with pytest.raises(ph.errors.Failed, match=r"stood still for too long: .* 10000 sat of its budget are not spent"):
        run.result(timeout=90)
    assert ledger.balances_of(ledger.read(ledgers() / "late.jsonl"))["purse"] == BUDGET


@pytest.mark.nightly
def test_a_job_survives_a_second_loss_in_the_middle_of_its_recovery(
    market: Market, providers: list[Run], whole: TrainingResult, frail: Pilot
) -> None:
    run = job(market, frail, "twice", tear=CUSTOMER["one-answer-of-two"])
    recovered(frail)
    eventually(lambda: [one for one in run.events() if one["what"] == "job continued"], "the job to go on")
    lose(frail)
    recovered(frail)
    result = run.result(timeout=90)
    assert_books_agree(market, run, result, list(PRICES))
    assert (result.model().arrays["W1"] == whole.model().arrays["W1"]).all()
    assert RUNS.read(run.name).resumed == 2


@pytest.mark.nightly
def test_a_job_that_goes_on_can_be_stopped_and_frees_its_providers(
    market: Market, providers: list[Run], frail: Pilot
) -> None:
    run = job(market, frail, "stopped", rounds=40, tear=CUSTOMER["one-answer-of-two"])
    recovered(frail)
    eventually(lambda: (run.progress or {"done": 0})["done"] >= 3, "some rounds")
    run.stop()
    result = run.result()
    number = len(result["rounds"])
    assert result["paid_msat"] == number * sum(PRICES.values())

    def ended(seller: Run) -> bool:
        return any(one["what"] == "contract ended" and one["job"] == "stopped" for one in seller.events())

    eventually(lambda: all(ended(seller) for seller in providers), "the end of both contracts")


def test_a_customer_whose_process_alone_is_killed_goes_on(
    market: Market, providers: list[Run], whole: TrainingResult, local_pilot: Pilot
) -> None:
    run = job(market, local_pilot, "killed")
    first_result(run)
    (started,) = [one for one in run.events() if one["what"] == "process started"]
    os.kill(started["pid"], signal.SIGKILL)
    result = run.result(timeout=90)
    assert_books_agree(market, run, result, list(PRICES))
    assert (result.model().arrays["W1"] == whole.model().arrays["W1"]).all()
    (died,) = [one for one in run.events() if one["what"] == "process died"]
    assert died["code"] == -signal.SIGKILL


#: Where the relay is killed: target, and which call of it by the customer.
RELAY: dict[str, tuple[str, int]] = {
    "ordering": ("pilothouse.market.customer.trading:Customer._order", 2),
    "fetching-a-result": ("pilothouse.market.blobs.server:BlobClient.get", 3),
}


@pytest.mark.parametrize("point", by_day(RELAY, {"fetching-a-result"}))
def test_a_job_goes_on_when_the_relay_that_was_killed_is_back(
    market: Market, providers: list[Run], whole: TrainingResult, local_pilot: Pilot, point: str
) -> None:
    """Relay and blob server are one process; the next one has the address and the blobs, and no events."""
    eventually(lambda: {one.name for one in market.offers()} >= PRICES.keys(), "their offers", within=90)
    assert market.run is not None
    relay = [one["pid"] for one in market.run.events() if one["what"] == "process started"][-1]
    tear = [*RELAY[point], "before", None]
    run = job(market, local_pilot, f"relay-killed-{point}", tear=tear, victim=relay)
    result = run.result(timeout=120)
    assert [one["reason"] for one in result["verdicts"]] == ["ok"] * ROUNDS * len(PRICES), "nobody else is to blame"
    assert result["ledger"].balanced
    assert result["paid_msat"] == ROUNDS * sum(PRICES.values())
    for name in PRICES:
        eventually(lambda name=name: len(earned(name, run.name)) == ROUNDS, f"what {name} earns")
    assert (result.model().arrays["W1"] == whole.model().arrays["W1"]).all()
