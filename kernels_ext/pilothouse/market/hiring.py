"""Finding providers: the call, their bids, and contracts signed by both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from pilothouse.errors import Failed, Untrusted
from pilothouse.market import agreement, events
from pilothouse.market.nostr import Session
from pilothouse.market.outcome import Books
from pilothouse.market.parameters import JobParameters
from pilothouse.market.patience import Deadline, parsed, private_messages

#: Seconds that a provider has to sign a contract.
SIGN_SECONDS = 10.0
#: Seconds that other providers have to bid once enough have.
BID_PATIENCE = 4.0


class Hiring:
    """The first half of a job; see :class:`~pilothouse.market.customer.Customer` for the parameters."""

    def __init__(
        self,
        job: JobParameters,
        session: Session,
        books: Books,
        report: Callable[[dict[str, Any]], None],
        stop: threading.Event,
    ) -> None:
        self.job = job
        self.session = session
        self.books = books
        self._report = report
        self._stop = stop

    def call(self, parameters: int, samples: int) -> tuple[str, list[tuple[str, events.Bid]]]:
        """Publish the call; its id, and the bids that came, the cheapest first."""
        job = self.job
        call = events.Call(
            job=job.job,
            title=job.title,
            training=job.training,
            parameters=parameters,
            samples=samples,
            rounds=job.rounds,
            providers=job.providers,
            max_price_msat=job.max_price_msat,
            validation=events.digest(events.canonical(job.validation.model_dump(mode="json"))),
            bids_until=int(time.time() + job.bid_seconds) + 1,
        )
        tags = [["t", events.NAMESPACE], ["t", call.algorithm], ["bid", str(call.max_price_msat)]]
        published = self.session.publish(events.CALL, call.text(), tags, ttl=self.job.duration)
        self._report({"event": "call published", "id": published.id, "job": job.job})
        offers = self._offers(call)
        bids: dict[str, events.Bid] = {}
        deadline = Deadline(job.bid_seconds)
        for message in private_messages(self.session, deadline, self._stop):
            if message.kind != events.BID:
                continue
            if message.author not in offers:  # perhaps it was made after the call
                offers = self._offers(call)
            bid = parsed(events.Bid, message)
            if bid is not None and bid.call == published.id and bid.price_msat <= offers.get(message.author, -1):
                bids[message.author] = bid
            if len(bids) >= max(job.providers, len(offers)):
                break
            if len(bids) >= job.providers:
                deadline.hurry(BID_PATIENCE)
        if not bids:
            raise Failed(
                f"no provider bid within {job.bid_seconds:g} s for at most {job.max_price_msat / 1000:g} sat a round "
                f"({len(offers)} fitting offers): market.provide() starts one, or raise the budget"
            )
        ranked = sorted(bids.items(), key=lambda bid: (bid[1].price_msat, bid[0]))
        self._report({"event": "bids", "offers": len(offers), "bids": len(ranked)})
        return published.id, ranked

    def _offers(self, call: events.Call) -> dict[str, int]:
        """Provider -> price, of the live offers that fit."""
        found: dict[str, int] = {}
        for message in self.session.fetch({"kinds": [events.OFFER], "#t": [call.algorithm]}):
            offer = parsed(events.Offer, message)
            if offer is None or offer.price_msat > call.max_price_msat or call.training.trainer not in offer.trainers:
                continue
            if call.algorithm in offer.algorithms and "test" in offer.payments and offer.capacity > 0:
                found.setdefault(message.author, offer.price_msat)
        return found

    def contract(self, call: str, bids: list[tuple[str, events.Bid]], initial: str) -> list[events.Contract]:
        """Contracts signed by both, with the cheapest who sign: as many as wanted, or as there are."""
        job, me = self.job, self.session.identity
        waiting = list(bids)
        signed: list[events.Contract] = []
        while waiting and len(signed) < job.providers:
            open_: dict[str, events.Contract] = {}
            for provider, bid in waiting[: job.providers - len(signed)]:
                contract = events.Contract(
                    job=job.job,
                    call=call,
                    customer=me.pubkey,
                    provider=provider,
                    training=job.training,
                    validation=job.validation,
                    rounds=job.rounds,
                    price_msat=bid.price_msat,
                    round_seconds=job.round_seconds,
                    initial_model=initial,
                    expires=int(time.time() + self.job.duration),
                )
                proposal = agreement.propose(contract, me)
                self.session.send(provider, events.CONTRACT, proposal.text(), ttl=self.job.duration)
                open_[provider] = contract
            waiting = waiting[len(open_) :]
            for message in private_messages(self.session, Deadline(SIGN_SECONDS), self._stop):
                if message.kind == events.ACCEPTANCE and message.author in open_:
                    acceptance = parsed(events.Acceptance, message)
                    if acceptance is not None and self._accepted(acceptance, open_[message.author]):
                        signed.append(open_.pop(message.author))
                if not open_:
                    break
        if not signed:
            raise Failed("no provider signed the contract that it bid for")
        ranks = [provider for provider, _ in bids]
        return sorted(signed, key=lambda contract: ranks.index(contract.provider))  # not by who was quicker

    def _accepted(self, acceptance: events.Acceptance, contract: events.Contract) -> bool:
        try:
            agreement.check_acceptance(acceptance, contract)
        except Untrusted as error:
            self._report({"event": "acceptance refused", "provider": contract.provider, "reason": str(error)})
            return False
        self.books.contract(contract, acceptance)
        self._report({"event": "contract", "provider": contract.provider, "hash": contract.hash})
        return True
