"""The provider's side: offers, bids, trains, returns results, and takes the money."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pilothouse.errors import PilothouseError, Unavailable, Untrusted
from pilothouse.market import agreement
from pilothouse.market.blobs.server import BlobClient
from pilothouse.market.lab_market.following import is_told_to_leave
from pilothouse.market.learning import arrays, trainers
from pilothouse.market.messages import events
from pilothouse.market.messages.message import Message
from pilothouse.market.messages.parameters import ProviderParameters
from pilothouse.market.money.ledger import Ledger
from pilothouse.market.money.notes import PURSE, NoteWallet
from pilothouse.market.money.protocols import Purpose, Wallet
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.patience import RETURN_S, Stopped, connected
from pilothouse.market.nostr.session import Session
from pilothouse.market.provider.state import Deal, Deals, Placed
from pilothouse.runs.channel import Channel

#: Seconds for which an offer stands, after which it is renewed, and between attempts when the relays are away.
OFFER_TTL = 180.0
OFFER_RENEWAL = 60.0
OFFER_RETRY = 5.0
#: Seconds that a blob server which is away has to come back, at each transfer, before the provider turns to its other
#: customers, and between two looks.
BLOBS_S = 20.0
BLOBS_RETRY_S = 1.0
#: Seconds for which private messages stay on the relay.
MESSAGE_TTL = 3600.0
MAX_BLOB = 64 * 2**20

T = TypeVar("T")


class Provider:
    """Serves every customer whose call it can meet, one round at a time.

    It works for nobody who has not judged, and paid, its last result: so it risks one round, as the customer does.

    Parameters
    ----------
    report
        Gets ``rounds``, ``rejected``, ``earned_msat`` when they change, and ``event`` with details.
    stop
        Ends :meth:`serve`, and the training that it is at.
    deals
        What an earlier process of this provider had committed to.
    earned
        Amounts (msat) that it had earned in this run.
    """

    def __init__(
        self,
        settings: ProviderParameters,
        session: Session,
        wallet: Wallet,
        report: Callable[[dict[str, Any]], None],
        stop: threading.Event,
        deals: Deals | None = None,
        earned: Sequence[int] = (),
    ) -> None:
        self.settings = settings
        self.session = session
        self.wallet = wallet
        self.blobs = BlobClient(session.identity, max_blob=MAX_BLOB)
        self._report = report
        self._stop = stop
        self._deals = deals or Deals()
        self._held: dict[str, Message] = {}  # an order that came before the last verdict
        self._shards: dict[str, arrays.Shard] = {}
        self._count = {"rounds": len(earned), "rejected": self._deals.rejected, "earned_msat": sum(earned)}

    def serve(self) -> None:
        """Trade until stopped; :meth:`withdraw` is what follows."""
        calls = {"kinds": [events.CALL], "#t": [events.NAMESPACE]}
        self.session.listen(calls, catch_up=self._deals.is_continued)
        self._offer()
        self._report({"event": "offer published", "npub": self.session.identity.npub})
        self._report(dict(self._count))
        for deal in self._live():
            if deal.unjudged is not None:  # perhaps it was not sent
                self.session.send(deal.contract.customer, events.RESULT, deal.unjudged.text(), ttl=MESSAGE_TTL)
        offered = time.monotonic()
        renew = offered + OFFER_RENEWAL
        while not self._stop.is_set():
            if time.monotonic() > renew:
                try:
                    self._offer()
                    offered = time.monotonic()
                    renew = offered + OFFER_RENEWAL
                except Unavailable:  # a relay that is lost with its pilot may come back
                    if time.monotonic() > offered + OFFER_TTL:
                        raise
                    renew = time.monotonic() + OFFER_RETRY
            message = self.session.receive(0.2)
            if message is not None:
                self._take(message)

    def train(self, base: arrays.State, shard: arrays.Shard, training: events.Training, seed: int) -> arrays.State:
        """The work itself."""
        return trainers.train(base, shard, training, seed, self._stop)[0]

    def _offer(self) -> None:
        settings = self.settings
        offer = events.Offer(
            name=settings.name,
            algorithms=settings.algorithms,
            trainers=list(trainers.TRAINERS),
            price_msat=settings.price_msat,
            payments=["test"],
            cores=os.cpu_count() or 1,
            capacity=max(settings.capacity - len(self._live()), 0),
            max_blob=MAX_BLOB,
        )
        tags = [["d", settings.name], ["t", events.NAMESPACE], *(["t", name] for name in settings.algorithms)]
        self.session.publish(events.OFFER, offer.text(), tags, ttl=OFFER_TTL)
        about = events.canonical({"name": settings.name, "about": "sells training rounds"})
        known = [["d", settings.name], ["k", str(events.CALL)]]
        self.session.publish(events.ANNOUNCEMENT, about, known, ttl=OFFER_TTL)

    def withdraw(self) -> None:
        """Ask the relays to drop the offer (NIP-09); where they do not, it expires."""
        me, name = self.session.identity.pubkey, self.settings.name
        mine = [["a", f"{kind}:{me}:{name}"] for kind in (events.OFFER, events.ANNOUNCEMENT)]
        with contextlib.suppress(PilothouseError):
            self.session.publish(events.DELETION, "", mine, ttl=OFFER_TTL)

    def _live(self) -> list[Deal]:
        return [one for one in self._deals.signed.values() if one.is_live]

    def _take(self, message: Message) -> None:
        answers: Mapping[int, Callable[[Message], None]] = {
            events.CONTRACT: self._sign,
            events.ROUND_ORDER: self._work,
            events.VERDICT: self._close_round,
            events.END: self._end,
        }
        answer = self._bid if message.kind == events.CALL and not message.private else answers.get(message.kind)
        if answer is None or (message.kind != events.CALL and not message.private):
            return
        try:
            answer(message)
        except trainers.Interrupted:
            return
        except PilothouseError as error:  # another party's mistake must not end the provider
            print(f"{message.author[:8]} kind {message.kind}: {error}", flush=True)  # noqa: T201 - the run's log

    def _bid(self, message: Message) -> None:
        call = events.Call.parse(message.content)
        settings = self.settings
        fits = call.algorithm in settings.algorithms and call.max_price_msat >= settings.price_msat
        if not fits or call.bids_until <= time.time() or len(self._live()) >= settings.capacity:
            return
        self._deals.bids[message.id] = Placed(customer=message.author, call=call)
        self._deals.commit()
        bid = events.Bid(call=message.id, job=call.job, price_msat=settings.price_msat)
        self.session.send(message.author, events.BID, bid.text(), ttl=MESSAGE_TTL)
        self._report({"event": "bid", "job": call.job, "price_msat": settings.price_msat})

    def _sign(self, message: Message) -> None:
        me = self.session.identity
        proposal = events.Proposal.parse(message.content)
        contract = agreement.check_proposal(proposal, customer=message.author, provider=me.pubkey)
        placed, known = self._deals.bids.get(contract.call), self._deals.signed.get(contract.hash)
        if known is not None and (known.result or known.judged or known.is_ended):
            return  # an earlier process has seen it
        if placed is None or placed.customer != message.author:
            raise Untrusted("the contract is for a call that this provider did not bid for", field="call")
        call = placed.call
        same = (contract.job, contract.training, contract.rounds, contract.algorithm)
        if same != (call.job, call.training, call.rounds, call.algorithm):
            raise Untrusted("the contract is not what the call said", field="contract")
        if contract.price_msat != self.settings.price_msat:
            raise Untrusted(f"the contract pays {contract.price_msat} msat, not the price bid", field="price_msat")
        if events.digest(events.canonical(contract.validation.model_dump(mode="json"))) != call.validation:
            raise Untrusted("the contract's validation is not what the call declared", field="validation")
        self._deals.signed[contract.hash] = Deal(contract=contract)
        self._deals.commit()
        acceptance = agreement.accept(contract, me)
        self.session.send(message.author, events.ACCEPTANCE, acceptance.text(), ttl=MESSAGE_TTL)
        self._report({"event": "contract", "job": contract.job, "hash": contract.hash})

    def _work(self, message: Message) -> None:
        order = events.RoundOrder.parse(message.content)
        deal = self._deal(order.contract, message.author)
        contract, done = deal.contract, deal.result
        if deal.is_ended or order.round > contract.rounds or order.job != contract.job:
            raise Untrusted("the order is outside its contract", field="round")
        if min(order.deadline, contract.expires) < time.time():
            raise Untrusted("the order came too late", field="deadline")
        if done is not None and done.round == order.round:
            if order.attempt <= done.attempt:  # answered
                return
            done = done.model_copy(update={"attempt": order.attempt})
        elif order.round in deal.judged:
            return
        elif deal.unjudged is not None:
            self._hold(message, order)
            return
        else:
            done = self._result(order, contract)
        deal.result = done
        self._deals.commit()
        self.session.send(message.author, events.RESULT, done.text(), ttl=MESSAGE_TTL)

    def _hold(self, message: Message, order: events.RoundOrder) -> None:
        """Keep an order until the last result is judged; of several, the latest."""
        held = self._held.get(order.contract)
        other = events.RoundOrder.parse(held.content) if held else None
        if other is None or (other.round, other.attempt) < (order.round, order.attempt):
            self._held[order.contract] = message

    def _result(self, order: events.RoundOrder, contract: events.Contract) -> events.Result:
        if order.shard.sha256 not in self._shards:
            while len(self._shards) >= 2 * self.settings.capacity:
                del self._shards[next(iter(self._shards))]
            packed = self._patiently(order, lambda: self.blobs.get(order.shard))
            self._shards[order.shard.sha256] = arrays.unpack_shard(packed)
        shard = self._shards[order.shard.sha256]
        base = arrays.unpack_state(self._patiently(order, lambda: self.blobs.get(order.base)))
        training = contract.training
        model = trainers.trainer(training.trainer)
        try:
            state = self.train(base, shard, training, order.seed)
            loss = trainers.loss(model, state, shard)
        except (ValueError, KeyError, IndexError) as error:
            raise Untrusted(f"model and shard of the order do not fit together: {error}", field="base") from None
        return events.Result(
            job=order.job,
            contract=order.contract,
            round=order.round,
            attempt=order.attempt,
            model=self._patiently(order, lambda: self.blobs.put(arrays.pack_state(state), order.base.server)),
            samples=len(shard),
            steps=training.epochs * -(-len(shard) // training.batch),
            loss=loss if math.isfinite(loss) else None,
            environment={"python": platform.python_version()},
        )

    def _patiently(self, order: events.RoundOrder, transfer: Callable[[], T]) -> T:
        """What `transfer` returns: the order's blob server may be away for a moment, lost with the customer's pilot."""
        end = min(time.time() + BLOBS_S, order.deadline)
        while True:
            try:
                return transfer()
            except Unavailable:
                if time.time() + BLOBS_RETRY_S > end or self._stop.wait(BLOBS_RETRY_S):
                    raise

    def _close_round(self, message: Message) -> None:
        verdict = events.Verdict.parse(message.content)
        deal = self._deal(verdict.contract, message.author)
        contract = deal.contract
        earned, is_known = 0, verdict.round in deal.judged
        if verdict.accepted:
            purpose = Purpose(contract.job, verdict.round, self.session.identity.pubkey)
            earned = self.wallet.receive(verdict.payment or "", purpose, message.author, contract.price_msat)
            self._count["earned_msat"] += earned
            self._count["rounds"] += bool(earned)
        elif not is_known:
            self._deals.rejected = self._count["rejected"] = self._deals.rejected + 1
            self._report({"event": "rejected", "job": contract.job, "round": verdict.round, "reason": verdict.reason})
        if earned or not is_known:
            deal.judged.add(verdict.round)  # an accepted round that is not paid stays open
            self._deals.commit()
            self._report(dict(self._count))
        held = self._held.pop(verdict.contract, None)
        if held is not None:
            self._work(held)

    def _end(self, message: Message) -> None:
        end = events.End.parse(message.content)
        deal = self._deal(end.contract, message.author)
        if deal.is_ended:
            return
        deal.is_ended = True
        self._deals.commit()
        self._held.pop(end.contract, None)
        self._report({"event": "contract ended", "job": deal.contract.job})

    def _deal(self, digest: str, customer: str) -> Deal:
        deal = self._deals.signed.get(digest)
        if deal is None or deal.contract.customer != customer:
            raise Untrusted("there is no such contract with this customer", field="contract")
        return deal


def main(channel: Channel) -> None:
    """Serve until asked to stop."""
    config = channel.config
    settings = ProviderParameters.model_validate(config)
    identity = Identity.load(Path(config["key_file"]))
    ledger = Ledger(Path(config["ledger"]))  # first: until it is ours, an earlier process may be at it
    deals = Deals.load(Path(config["folder"]), len(ledger.transactions))
    earned = [one.entries[PURSE] for one in ledger.transactions[deals.earlier :] if one.what == "earn"]
    patience = RETURN_S if deals.is_continued else 0
    with (
        contextlib.suppress(Stopped),
        connected(identity, settings.relays, channel.stopping, patience) as session,
    ):
        wallet = NoteWallet(identity, ledger)
        provider = Provider(settings, session, wallet, channel.send, channel.stopping, deals, earned)
        provider.serve()
        if is_told_to_leave(channel):
            provider.withdraw()
    ledger.close()
