"""Test money: notes signed by the payer. Worth nothing, and handled as if it were worth something."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.errors import Conflict, Untrusted
from pilothouse.market.messages import events
from pilothouse.market.money.ledger import ISSUED, Ledger, Transaction
from pilothouse.market.money.protocols import Payment, Purpose
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import verify

#: Accounts of one's own books: what can be spent, and what is on its way.
PURSE = "purse"
ON_THE_WAY = "on-the-way"


class NoteWallet:
    """A wallet of test money (a :class:`~pilothouse.market.money.protocols.Wallet`).

    Accounts: ``issued`` (where test money comes from), ``purse``, ``on-the-way``, ``paid:KEY`` and ``from:KEY``.
    """

    def __init__(self, identity: Identity, ledger: Ledger) -> None:
        self.identity = identity
        self.ledger = ledger

    def fund(self, amount_msat: int, key: str) -> None:
        """Issue test money to oneself, once for each `key`."""
        if self.ledger.find("fund", key) is None:
            self.ledger.post("fund", key, {ISSUED: -amount_msat, PURSE: amount_msat})

    def balance_msat(self) -> int:
        """What can be spent."""
        return self.ledger.balances()[PURSE]

    def pay(self, purpose: Purpose, amount_msat: int, deliver: Callable[[Payment], None]) -> Payment:
        """See :meth:`pilothouse.market.money.protocols.Wallet.pay`."""
        reserved = self.ledger.find("reserve", purpose.key)
        if reserved is None:
            note = {"job": purpose.job, "round": purpose.round, "amount_msat": amount_msat, "currency": "test"}
            proof = self.identity.sign(events.PAYMENT, events.canonical(note), [["p", purpose.provider]])
            entries = {PURSE: -amount_msat, ON_THE_WAY: amount_msat}
            reserved = self.ledger.post("reserve", purpose.key, entries, proof)
        payment = _payment(purpose, reserved)
        if payment.amount_msat != amount_msat:
            raise Conflict(
                f"{purpose.key} is paid with {payment.amount_msat} msat already, not {amount_msat}", field="amount_msat"
            )
        if self.ledger.find("settle", purpose.key) is None:
            deliver(payment)
            entries = {ON_THE_WAY: -amount_msat, f"paid:{purpose.provider}": amount_msat}
            self.ledger.post("settle", purpose.key, entries)
        return payment

    def receive(self, proof: str, purpose: Purpose, payer: str, amount_msat: int) -> int:
        """See :meth:`pilothouse.market.money.protocols.Wallet.receive`."""
        event = verify(proof)
        if event.kind != events.PAYMENT or event.author != payer or event.tag("p") != self.identity.pubkey:
            raise Untrusted("the payment is not by the customer to this provider", field="payment")
        note = {"job": purpose.job, "round": purpose.round, "amount_msat": amount_msat, "currency": "test"}
        if event.content != events.canonical(note) or purpose.provider != self.identity.pubkey:
            raise Untrusted("the payment is not for this round, or of another amount", field="payment")
        if self.ledger.find("earn", purpose.key) is not None:
            return 0
        self.ledger.post("earn", purpose.key, {ISSUED: -amount_msat, PURSE: amount_msat}, proof)
        return amount_msat


def _payment(purpose: Purpose, reserved: Transaction) -> Payment:
    proof = reserved.proof or ""
    return Payment(purpose, reserved.entries[ON_THE_WAY], proof, events.digest(proof))
