"""The customer's books: what it writes down while a job goes on."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.market.customer.result import MODEL, RESULT, Model
from pilothouse.market.customer.state import BASE, Committed, Settled
from pilothouse.market.learning import arrays
from pilothouse.market.learning.arrays import State
from pilothouse.market.learning.datasets import Scaling
from pilothouse.market.learning.verdicts import Judgement, Reason
from pilothouse.market.messages import events
from pilothouse.market.messages.parameters import JobParameters
from pilothouse.state import write_atomic


class Books:
    """What the customer writes down, after each round, so that a job that is stopped keeps what it has.

    Parameters
    ----------
    committed
        What an earlier process of the job had committed; the rounds that it had closed are read from the result.
    """

    def __init__(self, committed: Committed, ledger: Path, job: JobParameters, npub: str) -> None:
        self.scaling: Scaling
        self.committed = committed
        self._folder = committed.folder
        self._trainer = job.training.trainer
        self._data: dict[str, Any] = {
            "job": job.job,
            "customer": npub,
            "trainer": job.training.trainer,
            "accuracy": None,
            "loss": None,
            "budget_msat": job.budget_msat,
            "paid_msat": 0,
            "ledger": ledger.name,
            "rounds": [],
            "contracts": [],
            "verdicts": [],
            "receipts": [],
        }
        if committed.is_continued:
            self._continue()

    def _continue(self) -> None:
        if (self._folder / RESULT).exists():
            self._data = json.loads((self._folder / RESULT).read_text())
        opened = self.committed.round
        if opened is not None and opened.number <= self.rounds_done:  # closed, which had not been committed
            opened = self.committed.round = None
        for settled in opened.settled.values() if opened else ():
            self._enter(settled)

    @property
    def rounds_done(self) -> int:
        """Rounds that are closed."""
        return len(self._data["rounds"])

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """Their figures."""
        return list(self._data["rounds"])

    @property
    def paid_msat(self) -> int:
        """What was paid by now."""
        return sum(one["amount_msat"] for one in self._data["receipts"])

    def state(self, initial: State) -> State:
        """The weights that the first round which is not closed begins with."""
        if self.committed.round is not None:
            return arrays.unpack_state((self._folder / BASE).read_bytes())
        return Model.load(self._folder / MODEL, self._trainer).arrays if self.rounds_done else initial

    def strikes(self, provider: str, number: int) -> int:
        """Rounds in a row, up to `number`, in which `provider` had no accepted result."""
        verdicts = (one for one in reversed(self._data["verdicts"]) if one["provider"] == provider)
        until = (one for one in verdicts if one["round"] <= number)
        return sum(1 for _ in itertools.takewhile(lambda one: not one["accepted"], until))

    def last_verdict(self, provider: str) -> tuple[int, Judgement] | None:
        """The last round that was settled with `provider`, and how."""
        for one in reversed(self._data["verdicts"]):
            if one["provider"] == provider:
                judged = {key: value for key, value in one.items() if key != "round"}
                return one["round"], Judgement(**judged | {"reason": Reason(one["reason"])})
        return None

    def receipt(self, receipt: events.Receipt, event: str, judgement: Judgement) -> None:
        """A published receipt (its event's id) and the judgement behind it."""
        found = {"round": receipt.round, "provider": judgement.provider, "accepted": judgement.accepted}
        found |= {"included": judgement.included, "reason": judgement.reason.value}
        for name in ("loss_before", "loss_after"):
            value = getattr(judgement, name)
            found[name] = value if value is not None and np.isfinite(value) else None
        settled = Settled(verdict=found, receipt={"event": event, **receipt.model_dump(mode="json")})
        self._enter(settled)
        if self.committed.round is not None:
            self.committed.round.settled[receipt.provider] = settled
        self.committed.commit()

    def _enter(self, settled: Settled) -> None:
        self._data["receipts"].append(settled.receipt)
        self._data["verdicts"].append(settled.verdict)

    def close_round(self, number: int, accuracy: float, loss: float, model: Model) -> None:
        """The round's figures and model; everything so far goes to disk."""
        entry = {"round": number, "accuracy": accuracy, "loss": loss, "paid_msat": self.paid_msat}
        self._data["rounds"].append(entry)
        self._data |= {"accuracy": accuracy, "loss": loss, "paid_msat": self.paid_msat}
        self._data["contracts"] = [
            {"hash": one.contract.hash, **one.contract.model_dump(mode="json"), "acceptance": one.acceptance}
            for one in self.committed.signed
        ]
        model.save(self._folder / MODEL)
        write_atomic(self._folder / RESULT, json.dumps(self._data, indent=1).encode())
        self.committed.round = None
        self.committed.commit()
