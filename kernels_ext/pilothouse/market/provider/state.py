"""What a provider has committed to, so that another process can go on with it: a file in the run's folder."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel, Field

from pilothouse.market.messages import events
from pilothouse.market.resumable import Kept

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


class Deals(Kept):
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

    bids: dict[events.Hash, Placed] = Field(default_factory=dict)
    signed: dict[events.Hash, Deal] = Field(default_factory=dict)
    rejected: int = 0
    earlier: int = 0

    @staticmethod
    def load(folder: Path, earlier: int) -> Deals:
        """What is written in the run's `folder`; a fresh start when nothing is. Raises what :meth:`read` raises.

        Parameters
        ----------
        earlier
            Transactions in the ledger now.
        """
        return Deals.read(folder / DEALS, Deals(earlier=earlier))

    def commit(self) -> None:
        """Write them down, but for those that are long over; they are on disk when this returns."""
        limit = time.time() - MEMORY_S
        self.bids = {key: one for key, one in self.bids.items() if one.call.bids_until > limit}
        self.signed = {key: one for key, one in self.signed.items() if one.contract.expires > limit}
        super().commit()
