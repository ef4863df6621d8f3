"""What every kind of money can do for the market."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Purpose:
    """What a payment is for: one provider's accepted result of one round. Nothing is paid for twice."""

    job: str
    round: int
    provider: str

    @property
    def key(self) -> str:
        """The idempotency key."""
        return f"{self.job}/{self.round}/{self.provider}"


@dataclass(frozen=True)
class Payment:
    """Money on its way: `proof` is what the payee redeems, `reference` its hash, fit for public receipts."""

    purpose: Purpose
    amount_msat: int
    proof: str
    reference: str


class Wallet(Protocol):
    """Pays and is paid."""

    def balance_msat(self) -> int:
        """What can be spent."""

    def pay(self, purpose: Purpose, amount_msat: int, deliver: Callable[[Payment], None]) -> Payment:
        """Pay once for `purpose`, however often this is called.

        The spend is in the journal before `deliver` hands it over, and marked as done after. When `deliver`
        raises, or the process dies in it, a later call hands over the very same payment.

        Raises
        ------
        Conflict
            Another amount was paid, or is on its way, for this purpose; or the balance is too small.
        """

    def receive(self, proof: str, purpose: Purpose, payer: str, amount_msat: int) -> int:
        """Redeem a payment; the amount (msat) that this call added: 0 when it had been redeemed before.

        Raises
        ------
        Untrusted
            It is not by `payer`, not for `purpose`, or not of `amount_msat`.
        """
