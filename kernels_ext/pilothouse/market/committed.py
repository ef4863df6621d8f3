"""What a job's customer has committed, so that another process can go on with it: a file in the run's folder.

It holds what the job is at; rounds that are closed are in the result, and money in the ledger. Each step is written
down before what follows from it is sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from pilothouse.errors import PilothouseError
from pilothouse.market import events
from pilothouse.market.verdicts import Reason
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


class Committed(BaseModel):
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

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal[1] = 1
    call: str = ""
    bids: list[tuple[events.Key, events.Bid]] = Field(default_factory=list)
    asked: int = 0
    proposed: list[events.Contract] = Field(default_factory=list)
    signed: list[Signed] = Field(default_factory=list)
    shards: dict[str, events.BlobRef] = Field(default_factory=dict)
    round: OpenRound | None = None
    _folder: Path = PrivateAttr(default=Path())
    _is_continued: bool = PrivateAttr(default=False)

    @staticmethod
    def load(folder: Path) -> Committed:
        """What is written in the run's `folder`; a fresh start, which is then written there, when nothing is.

        Raises
        ------
        PilothouseError
            The file can't be read; it is left as it is.
        """
        path = folder / COMMITTED
        try:
            found = Committed.model_validate_json(path.read_bytes())
            found._is_continued = True
        except FileNotFoundError:
            found = Committed()
        except ValidationError as error:
            raise PilothouseError(f"{path} can't be read: {error}", field="committed") from None
        found._folder = folder
        if not found.is_continued:
            found.commit()
        return found

    @property
    def is_continued(self) -> bool:
        """Whether another process began with this job."""
        return self._is_continued

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._folder

    def commit(self) -> None:
        """Write it down; it is on disk when this returns."""
        write_atomic(self._folder / COMMITTED, self.model_dump_json().encode())

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
        folder = self._folder / ANSWERS
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{provider}.safetensors"
