"""Finding providers: the call, their bids, and contracts signed by both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from pilothouse.errors import Failed, Untrusted
from pilothouse.market import agreement
from pilothouse.market.customer.state import Committed, Signed
from pilothouse.market.messages import events
from pilothouse.market.messages.parameters import JobParameters
from pilothouse.market.nostr.patience import Deadline, parsed, private_messages
from pilothouse.market.nostr.session import Session

#: Seconds that a provider has to sign a contract.
SIGN_SECONDS = 10.0
#: Seconds that other providers have to bid once enough have.
BID_PATIENCE = 4.0


class Hiring:
    """The first half of a job, or what is left of it; see :class:`~pilothouse.market.customer.trading.Customer`.

    Parameters
    ----------
    admits
        Whether the owner of a public key (hex) may be hired.
    """

    def __init__(
        self,
        job: JobParameters,
        session: Session,
        committed: Committed,
        report: Callable[[dict[str, Any]], None],
        stop: threading.Event,
        admits: Callable[[str], bool],
    ) -> None:
        self.job = job
        self.session = session
        self.committed = committed
        self._report = report
        self._stop = stop
        self._admits = admits

    def hire(self, parameters: int, samples: int, initial: str) -> list[events.Contract]:
        """Contracts signed by both, the cheapest first: as many as wanted, or as there are.

        Parameters
        ----------
        parameters, samples
            Of the model, and of the data.
        initial
            Hash of the first model.

        Raises
        ------
        Failed
            Nobody bids, or nobody signs.
        Stopped
            As asked.
        """
        at = self.committed
        if not at.bids:
            if at.is_continued:
                self._withdraw()
            at.call, at.bids = self._call(parameters, samples)
            at.commit()
        self._sign(initial)
        ranks = [provider for provider, _ in at.bids]
        return sorted((one.contract for one in at.signed), key=lambda contract: ranks.index(contract.provider))

    def _withdraw(self) -> None:
        """Ask the relays to drop the call whose bids an earlier process did not live to see."""
        me = self.session.identity.pubkey
        for message in self.session.fetch({"kinds": [events.CALL], "authors": [me]}):
            call = parsed(events.Call, message)
            if call is not None and call.job == self.job.job:
                self.session.publish(events.DELETION, "", [["e", message.id]], ttl=self.job.duration)

    def _call(self, parameters: int, samples: int) -> tuple[str, list[tuple[str, events.Bid]]]:
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
            if not self._admits(message.author):  # whatever way it got here
                continue
            offer = parsed(events.Offer, message)
            if offer is None or offer.price_msat > call.max_price_msat or call.training.trainer not in offer.trainers:
                continue
            if call.algorithm in offer.algorithms and "test" in offer.payments and offer.capacity > 0:
                found.setdefault(message.author, offer.price_msat)
        return found

    def _sign(self, initial: str) -> None:
        """Propose contracts to those who bid, one batch after the other, until enough have signed."""
        job, at = self.job, self.committed
        while len(at.signed) < job.providers:
            if not at.proposed:
                batch = at.bids[at.asked :][: job.providers - len(at.signed)]
                if not batch:
                    break
                at.proposed = [self._contract(key, bid, initial) for key, bid in batch if self._admits(key)]
                at.asked += len(batch)
                at.commit()
            self._collect_signatures()
            at.proposed = []
            at.commit()
        if not at.signed:
            raise Failed("no provider signed the contract that it bid for")

    def _contract(self, provider: str, bid: events.Bid, initial: str) -> events.Contract:
        job = self.job
        return events.Contract(
            job=job.job,
            call=self.committed.call,
            customer=self.session.identity.pubkey,
            provider=provider,
            training=job.training,
            validation=job.validation,
            rounds=job.rounds,
            price_msat=bid.price_msat,
            round_seconds=job.round_seconds,
            initial_model=initial,
            expires=int(time.time() + job.duration),
        )

    def _collect_signatures(self) -> None:
        """Propose what is not signed, and wait for the providers."""
        signed = {one.contract.provider for one in self.committed.signed}
        open_ = {one.provider: one for one in self.committed.proposed if one.provider not in signed}
        if not open_:
            return
        for provider, contract in open_.items():
            proposal = agreement.propose(contract, self.session.identity)
            self.session.send(provider, events.CONTRACT, proposal.text(), ttl=self.job.duration)
        for message in private_messages(self.session, Deadline(SIGN_SECONDS), self._stop):
            if message.kind == events.ACCEPTANCE and message.author in open_:
                acceptance = parsed(events.Acceptance, message)
                if acceptance is not None and self._accepted(acceptance, open_[message.author]):
                    del open_[message.author]
            if not open_:
                break

    def _accepted(self, acceptance: events.Acceptance, contract: events.Contract) -> bool:
        try:
            agreement.check_acceptance(acceptance, contract)
        except Untrusted as error:
            self._report({"event": "acceptance refused", "provider": contract.provider, "reason": str(error)})
            return False
        self.committed.signed.append(Signed(contract=contract, acceptance=acceptance.signature))
        self.committed.commit()
        self._report({"event": "contract", "provider": contract.provider, "hash": contract.hash})
        return True
