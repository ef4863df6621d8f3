"""Settling what was judged: the verdict, the payment of an accepted result, and the receipt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pilothouse.market.customer.result_file import Books
from pilothouse.market.learning.verdicts import Judgement
from pilothouse.market.messages import events
from pilothouse.market.messages.parameters import JobParameters
from pilothouse.market.money.protocols import Payment, Purpose, Wallet
from pilothouse.market.nostr.patience import parsed
from pilothouse.market.nostr.session import Session

#: Seconds for which a receipt stays on the relay.
RECEIPT_TTL = 30 * 86_400.0


class Settling:
    """What the customer owes the providers of a job, each step once, also where an earlier process had begun it.

    Parameters
    ----------
    report
        Gets an event a judged result: ``accepted`` or ``rejected``, with details.
    """

    def __init__(
        self,
        job: JobParameters,
        session: Session,
        wallet: Wallet,
        books: Books,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        self.job = job
        self.session = session
        self.wallet = wallet
        self.books = books
        self._report = report
        self._reopened = books.committed.round.number if books.committed.round else 0

    def settle(self, number: int, judgement: Judgement, contract: events.Contract) -> None:
        """Tell the provider, pay it when its result is accepted, and publish the receipt."""
        payment = self._tell(number, judgement, contract)
        receipt = events.Receipt(
            job=self.job.job,
            round=number,
            provider=contract.provider,
            contract=contract.hash,
            accepted=judgement.accepted,
            reason=judgement.reason.value,
            amount_msat=payment.amount_msat if payment else 0,
            payment=payment.reference if payment else None,
        )
        label = "accepted" if judgement.accepted else "rejected"
        self.books.receipt(receipt, self._published(receipt, label), judgement)
        self._report({"event": label, "provider": contract.provider, "round": number, "reason": judgement.reason.value})

    def repeat_verdict(self, contract: events.Contract) -> None:
        """Tell a provider its last verdict again: it, or the relay, may have been away. It takes no note twice."""
        last = self.books.last_verdict(contract.provider)
        if last is not None:
            self._tell(*last, contract)

    def _tell(self, number: int, judgement: Judgement, contract: events.Contract) -> Payment | None:
        """Send the verdict, with the payment of an accepted result; an earlier process may have done so."""

        def tell(payment: Payment | None = None) -> None:
            verdict = events.Verdict(
                job=self.job.job,
                contract=contract.hash,
                round=number,
                accepted=judgement.accepted,
                included=judgement.included,
                reason=judgement.reason.value,
                loss_before=_finite(judgement.loss_before),
                loss_after=_finite(judgement.loss_after),
                amount_msat=payment.amount_msat if payment else 0,
                payment=payment.proof if payment else None,
            )
            self.session.send(contract.provider, events.VERDICT, verdict.text(), ttl=self.job.duration)

        if not judgement.accepted:
            tell()
            return None
        sent: list[Payment] = []

        def deliver(payment: Payment) -> None:
            tell(payment)
            sent.append(payment)

        payment = self.wallet.pay(Purpose(self.job.job, number, contract.provider), contract.price_msat, deliver)
        if not sent:  # settled before
            tell(payment)
        return payment

    def _published(self, receipt: events.Receipt, label: str) -> str:
        """Publish the receipt, unless an earlier process had come to that; its event's id."""
        call = self.books.committed.call
        if receipt.round == self._reopened:
            mine = {"kinds": [events.RECEIPT], "authors": [self.session.identity.pubkey], "#e": [call]}
            for message in self.session.fetch(mine):
                if parsed(events.Receipt, message) == receipt:
                    return message.id
        tags = [["L", events.NAMESPACE], ["l", label, events.NAMESPACE], ["p", receipt.provider], ["e", call]]
        return self.session.publish(events.RECEIPT, receipt.text(), tags, ttl=RECEIPT_TTL).id


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
