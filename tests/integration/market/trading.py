"""The same job and the same providers again and again, what of them is counted, and the loss of their pilot."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import pytest

from pilothouse.market import TrainingResult
from pilothouse.market.lab_market.following import ledgers
from pilothouse.market.market import Market
from pilothouse.market.messages.parameters import JobParameters, ProviderParameters
from pilothouse.market.money import ledger
from pilothouse.pilots import Pilot
from pilothouse.registry.records import PILOTS, RUNS
from pilothouse.runs.handle import Run
from tests.waiting import eventually

SEND = "pilothouse.market.nostr.session:Session.send"
PUBLISH = "pilothouse.market.nostr.session:Session.publish"
ROUNDS = 3
PRICES = {"nora": 100_000, "olga": 120_000}
#: What others ask: less, so that a job for one provider is theirs.
CHEAP = 50_000
BUDGET = 10_000_000


def by_day(points: Iterable[str], chosen: Collection[str]) -> list[Any]:
    """For parametrize: these points of a kill are tried in each run of the tests, the others in those of the night."""
    return [point if point in chosen else pytest.param(point, marks=pytest.mark.nightly) for point in points]


def provider(market: Market, pilot: Pilot, name: str, **options: Any) -> Run:
    """A provider whose trainings are counted, as soon as it offers."""
    values = {"name": name, "key": f"provider-{name}", "relays": market.relays, "algorithms": ["fedavg"]}
    settings = ProviderParameters.model_validate(values | {"price_msat": PRICES.get(name, CHEAP)})
    run = pilot.launch("torn-provider", settings.model_dump(mode="json") | options, name=name)
    eventually(lambda: name in {one.name for one in market.offers()}, "its offer")
    return run


def job(market: Market, pilot: Pilot, name: str, *, providers: int = 2, **options: Any) -> Run:
    """The same job each time, but for its name."""
    values = {"job": name, "key": "customer", "title": name, "relays": market.relays, "blobs": market.blobs}
    values |= {"market": market.run.name if market.run is not None else None}
    values |= {
        "dataset": "digits",
        "rounds": ROUNDS,
        "providers": providers,
        "budget_msat": BUDGET,
        "round_seconds": 60,
    }
    settings = JobParameters.model_validate(values | {"bid_seconds": 5, "round_seconds": 60})
    return pilot.launch("torn-training", settings.model_dump(mode="json") | options, name=name)


def recovered(pilot: Pilot) -> None:
    eventually(lambda: pilot.state == "lost", "the loss to be seen", within=90)
    pilot.recover()


def lose(pilot: Pilot) -> None:
    supervisor = PILOTS.read(pilot.name).supervisor
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)


def trained(run: Run) -> list[str]:
    """The seed, which is of a round, of each training that the provider began."""
    path = RUNS.folder(run.name) / "trained"
    return path.read_text().split() if path.exists() else []


def earned(name: str, job: str) -> list[int]:
    """What the provider of that name has in its ledger for the job, by transaction."""
    found = ledger.read(ledgers() / f"provider-{name}.jsonl")
    return [one.entries["purse"] for one in found if one.what == "earn" and one.key.startswith(f"{job}/")]


def assert_books_agree(market: Market, run: Run, result: TrainingResult, names: list[str]) -> None:
    """Each round was judged, paid and published once, and what the customer paid is what the providers earned."""
    number = ROUNDS * len(names)
    assert [one["round"] for one in result["rounds"]] == [1, 2, 3]
    assert [one["reason"] for one in result["verdicts"]] == ["ok"] * number
    assert len({(one["round"], one["provider"]) for one in result["verdicts"]}) == number
    paid = ROUNDS * sum(PRICES.get(name, CHEAP) for name in names)
    assert result["paid_msat"] == paid
    written = ledger.read(ledgers() / f"{run.name}.jsonl")
    assert Counter(one.what for one in written) == {"fund": 1, "reserve": number, "settle": number}
    assert ledger.balanced(written)
    balances = ledger.balances_of(written)
    assert (balances["purse"], balances["on-the-way"]) == (BUDGET - paid, 0)
    for name in names:
        eventually(lambda name=name: len(earned(name, run.name)) == ROUNDS, f"what {name} earns")
    assert sum(sum(earned(name, run.name)) for name in names) == paid
    assert market.ledger().balanced
    receipts = market.receipts(run.name)
    assert sorted((one.round, one.amount_sat) for one in receipts) == sorted(
        (round_, PRICES.get(name, CHEAP) / 1000) for name in names for round_ in range(1, ROUNDS + 1)
    )
    assert {one.id for one in receipts} == {one["event"] for one in result["receipts"]}
    assert run.telemetry["round"].values.tolist() == [1, 2, 3]
    assert len([one for one in market.calls() if one.job == run.name]) == 1
