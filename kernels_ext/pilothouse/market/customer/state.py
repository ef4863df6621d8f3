"""What a job's customer has committed, so that another process can go on with it: a file in the run's folder.

It holds what the job is at; rounds that are closed are in the result, and money in the ledger. Each step is written
down before what follows from it is sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from pilothouse.market.learning.verdicts import Reason
from pilothouse.market.messages import events
from pilothouse.market.resumable import Kept
from pilothouse.state import write_atomic

COMMITTED = "committed.json"
#: The weights that the open round began with.
BASE = "base.safetensors"
#: The folder of the open round's answers, a safetensors file each, named by their provider.
ANSWERS = "answers"


class Signed(BaseModel):
    """A contract that both have signed."""

    contract: events.Contract
    acceptance: str


class Settled(BaseModel):
    """A judged result whose provider has been told, and paid where it was accepted: as the books have it."""

    verdict: dict[str, Any]
    receipt: dict[str, Any]


class OpenRound(BaseModel):
    """The round that is not closed yet.

    Attributes
    ----------
    attempt
        How often its results were asked for.
    answers
        Provider -> what is wrong with its result, or None: its model is in :data:`ANSWERS`.
    is_collected
        Nobody is waited for any more: who has no answer is late.
    """

    number: int
    base: events.BlobRef
    attempt: Annotated[int, Field(ge=1, le=100)] = 1
    answers: dict[str, Reason | None] = Field(default_factory=dict)
    is_collected: bool = False
    settled: dict[str, Settled] = Field(default_factory=dict)


class Committed(Kept):
    """What the job is at.

    Attributes
    ----------
    call
        Id of the call's event, once bidding is over.
    bids
        Who bid, the cheapest first; the first `asked` of them were asked to sign.
    proposed
        Contracts whose signatures are waited for.
    shards
        Provider -> its data.
    """

    call: str = ""
    bids: list[tuple[events.Key, events.Bid]] = Field(default_factory=list)
    asked: int = 0
    proposed: list[events.Contract] = Field(default_factory=list)
    signed: list[Signed] = Field(default_factory=list)
    shards: dict[str, events.BlobRef] = Field(default_factory=dict)
    round: OpenRound | None = None

    @staticmethod
    def load(folder: Path) -> Committed:
        """What is written in the run's `folder`; a fresh start when nothing is. Raises what :meth:`read` raises."""
        return Committed.read(folder / COMMITTED, Committed())

    @property
    def folder(self) -> Path:
        """The run's folder."""
        assert self._path is not None  # noqa: S101 - it comes from load()
        return self._path.parent

    def keep(self, opened: OpenRound, provider: str, model: bytes | None, fault: Reason | None) -> None:
        """Commit a provider's answer in the open round."""
        if model is not None:
            write_atomic(self._answer(provider), model)
        opened.answers[provider] = fault
        self.commit()

    def answer(self, provider: str) -> bytes:
        """The model that the provider returned in the open round, as safetensors."""
        return self._answer(provider).read_bytes()

    def _answer(self, provider: str) -> Path:
        folder = self.folder / ANSWERS
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{provider}.safetensors"
