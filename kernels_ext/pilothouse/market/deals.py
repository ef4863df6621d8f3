"""What a provider has committed to, so that another process can go on with it: a file in the run's folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from pilothouse.errors import PilothouseError
from pilothouse.market import events
from pilothouse.state import write_atomic

DEALS = "deals.json"
#: Seconds for which a bid, or a contract that has ended, is remembered.
MEMORY_S = 86_400.0


class Placed(BaseModel):
    """A bid: whose call it was for."""

    customer: events.Key
    call: events.Call


class Deal(BaseModel):
    """A contract and how far it is.

    Attributes
    ----------
    result
        The last one that was made; the provider makes no other before it is judged.
    judged
        Rounds with a verdict.
    is_ended
        The customer ended it: no more orders, but a payment still counts.
    """

    contract: events.Contract
    result: events.Result | None = None
    judged: set[int] = Field(default_factory=set)
    is_ended: bool = False

    @property
    def is_live(self) -> bool:
        """Whether there may be more to do."""
        return not self.is_ended and self.contract.expires > time.time()

    @property
    def unjudged(self) -> events.Result | None:
        """The result that waits for its verdict."""
        return self.result if self.result is not None and self.result.round not in self.judged else None


class Deals(BaseModel):
    """All of them; kept in memory alone unless it comes from :meth:`load`.

    Attributes
    ----------
    bids
        Id of the call -> the bid.
    signed
        Hash of the contract -> the deal.
    rejected
        Results that were.
    earlier
        Transactions that the ledger had before this run.
    """

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal[1] = 1
    bids: dict[events.Hash, Placed] = Field(default_factory=dict)
    signed: dict[events.Hash, Deal] = Field(default_factory=dict)
    rejected: int = 0
    earlier: int = 0
    _path: Path | None = PrivateAttr(default=None)
    _is_continued: bool = PrivateAttr(default=False)

    @staticmethod
    def load(folder: Path, earlier: int) -> Deals:
        """What is written in the run's `folder`; a fresh start when nothing is.

        Parameters
        ----------
        earlier
            Transactions in the ledger now.

        Raises
        ------
        PilothouseError
            The file can't be read; it is left as it is.
        """
        path = folder / DEALS
        try:
            found = Deals.model_validate_json(path.read_bytes())
            found._is_continued = True
        except FileNotFoundError:
            found = Deals(earlier=earlier)
        except ValidationError as error:
            raise PilothouseError(f"{path} can't be read: {error}", field="deals") from None
        found._path = path
        found.commit()
        return found

    @property
    def is_continued(self) -> bool:
        """Whether another process began with this run."""
        return self._is_continued

    def commit(self) -> None:
        """Write them down, but for those that are long over; they are on disk when this returns."""
        limit = time.time() - MEMORY_S
        self.bids = {key: one for key, one in self.bids.items() if one.call.bids_until > limit}
        self.signed = {key: one for key, one in self.signed.items() if one.contract.expires > limit}
        if self._path is not None:
            write_atomic(self._path, self.model_dump_json().encode())
