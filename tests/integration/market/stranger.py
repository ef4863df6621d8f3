"""A provider that does not play by the rules, in a process of its own: ``stranger.py RELAY MODE LEDGER KEY``."""

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


def main(relay: str, mode: str, ledger: str, key: str) -> None:
    name = "fay" if mode == "impostor" else mode
    stop = threading.Event()

    def wait_for_end_of_input() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    settings = ProviderParameters.model_validate(
        {"name": name, "key": "unused", "relays": [relay], "price_msat": 100_000, "algorithms": ["fedavg"]}
    )
    identity = Identity.load(Path(key))

    def report(message: dict[str, Any]) -> None:
        if message.get("event") == "offer published":
            print("offered", flush=True)

    with Session(identity, [relay]) as session:
        wallet = NoteWallet(identity, Ledger(Path(ledger)))
        provider = Stranger(settings, session, wallet, report, stop)
        provider.mode = mode
        provider.serve()
        provider.withdraw()


main(*sys.argv[1:])
