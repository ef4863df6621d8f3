"""Providers that do not play by the rules, in a process of their own: ``stranger.py RELAY FOLDER MODE [MODE ...]``.

In the folder each has its key, ``MODE.nsec``, and its ledger.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.market.learning.arrays import Shard, State
from pilothouse.market.messages import events
from pilothouse.market.messages.parameters import ProviderParameters
from pilothouse.market.money.ledger import Ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.session import Session
from pilothouse.market.provider.provider import Provider


class Stranger(Provider):
    """Bids and signs like everyone; then does what its mode says."""

    mode = ""

    def train(self, base: State, shard: Shard, training: events.Training, seed: int) -> State:
        print("training", flush=True)
        if self.mode == "hang":
            time.sleep(600)
        if self.mode == "lazy":
            return base
        if self.mode == "noise":
            random = np.random.default_rng(seed)
            return {name: values + random.normal(size=values.shape).astype("f4") / 5 for name, values in base.items()}
        return super().train(base, shard, training, seed)

    def _result(self, order: events.RoundOrder, contract: events.Contract) -> events.Result:
        result = super()._result(order, contract)
        if self.mode == "wrong-hash":
            model = result.model.model_copy(update={"sha256": "0" * 64})
        elif self.mode == "pickle":
            import pickle

            model = self.blobs.put(pickle.dumps({"W1": np.zeros(3)}), order.base.server)
        else:
            return result
        return result.model_copy(update={"model": model})


def serve(relay: str, folder: Path, mode: str, stop: threading.Event) -> None:
    """Offer and serve in a mode until `stop` is set."""
    name = "fay" if mode == "impostor" else mode
    settings = ProviderParameters.model_validate(
        {"name": name, "key": "unused", "relays": [relay], "price_msat": 100_000, "algorithms": ["fedavg"]}
    )
    identity = Identity.load(folder / f"{mode}.nsec")

    def report(message: dict[str, Any]) -> None:
        if message.get("event") == "offer published":
            print("offered", flush=True)

    with Session(identity, [relay]) as session:
        wallet = NoteWallet(identity, Ledger(folder / f"{mode}.jsonl"))
        provider = Stranger(settings, session, wallet, report, stop)
        provider.mode = mode
        provider.serve()
        provider.withdraw()


def main(relay: str, folder: str, *modes: str) -> None:
    """One in each mode, until the end of the input."""
    stop = threading.Event()
    serving = [threading.Thread(target=serve, args=(relay, Path(folder), mode, stop), daemon=True) for mode in modes]
    for each in serving:
        each.start()
    sys.stdin.read()
    stop.set()
    for each in serving:
        each.join()


main(*sys.argv[1:])
