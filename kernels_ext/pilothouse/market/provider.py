"""The provider's side: offers, bids, trains, returns results, and takes the money."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError, Untrusted
from pilothouse.market import agreement, events
from pilothouse.market.blobs import BlobClient
from pilothouse.market.learning import arrays, trainers
from pilothouse.market.message import Message
from pilothouse.market.money.ledger import Ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.money.protocols import Purpose, Wallet
from pilothouse.market.nostr import Identity, Session
from pilothouse.market.parameters import ProviderParameters
from pilothouse.pilots.child import Channel

#: Seconds for which an offer stands, and after which it is renewed.
OFFER_TTL = 180.0
OFFER_RENEWAL = 60.0
#: Seconds for which private messages stay on the relay.
MESSAGE_TTL = 3600.0
MAX_BLOB = 64 * 2**20


class Provider:
    """Serves every customer whose call it can meet, one round at a time.

    It works for nobody who has not judged, and paid, its last result: so it risks one round, as the customer does.

    Parameters
    ----------
    report
        Gets ``rounds``, ``rejected``, ``earned_msat`` when they change, and ``event`` with details.
    stop
        Ends :meth:`serve`, and the training that it is at.
    """

    def __init__(
        self,
        settings: ProviderParameters,
        session: Session,
        wallet: Wallet,
        report: Callable[[dict[str, Any]], None],
        stop: threading.Event,
    ) -> None:
        self.settings = settings
        self.session = session
        self.wallet = wallet
        self.blobs = BlobClient(session.identity, max_blob=MAX_BLOB)
        self._report = report
        self._stop = stop
        self._bids: dict[str, tuple[str, events.Call]] = {}  # call id -> its author and itself
        self._contracts: dict[str, events.Contract] = {}
        self._results: dict[tuple[str, int], events.Result] = {}  # (contract, round)
        self._unjudged: defaultdict[str, set[int]] = defaultdict(set)
        self._held: dict[str, Message] = {}  # an order that came before the last verdict
        self._shards: dict[str, arrays.Shard] = {}
        self._count = {"rounds": 0, "rejected": 0, "earned_msat": 0}

    def serve(self) -> None:
        """Trade until stopped."""
        self.session.listen({"kinds": [events.CALL], "#t": [events.NAMESPACE]})
        self._offer()
        self._report({"event": "offer published", "npub": self.session.identity.npub})
        self._report(dict(self._count))
        renew = time.monotonic() + OFFER_RENEWAL
        while not self._stop.is_set():
            if time.monotonic() > renew:
                self._offer()
                renew = time.monotonic() + OFFER_RENEWAL
            message = self.session.receive(0.2)
            if message is not None:
                self._take(message)
        with contextlib.suppress(PilothouseError):
            self._withdraw()

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

    def _withdraw(self) -> None:
        """Ask the relays to drop the offer (NIP-09); where they do not, it expires."""
        me, name = self.session.identity.pubkey, self.settings.name
        mine = [["a", f"{kind}:{me}:{name}"] for kind in (events.OFFER, events.ANNOUNCEMENT)]
        self.session.publish(events.DELETION, "", mine, ttl=OFFER_TTL)

    def _live(self) -> list[events.Contract]:
        now = time.time()
        return [one for one in self._contracts.values() if one.expires > now]

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
        self._bids[message.id] = (message.author, call)
        bid = events.Bid(call=message.id, job=call.job, price_msat=settings.price_msat)
        self.session.send(message.author, events.BID, bid.text(), ttl=MESSAGE_TTL)
        self._report({"event": "bid", "job": call.job, "price_msat": settings.price_msat})

    def _sign(self, message: Message) -> None:
        me = self.session.identity
        proposal = events.Proposal.parse(message.content)
        contract = agreement.check_proposal(proposal, customer=message.author, provider=me.pubkey)
        customer, call = self._bids.get(contract.call, ("", None))
        if call is None or customer != message.author:
            raise Untrusted("the contract is for a call that this provider did not bid for", field="call")
        same = (contract.job, contract.training, contract.rounds, contract.algorithm)
        if same != (call.job, call.training, call.rounds, call.algorithm):
            raise Untrusted("the contract is not what the call said", field="contract")
        if contract.price_msat != self.settings.price_msat:
            raise Untrusted(f"the contract pays {contract.price_msat} msat, not the price bid", field="price_msat")
        if events.digest(events.canonical(contract.validation.model_dump(mode="json"))) != call.validation:
            raise Untrusted("the contract's validation is not what the call declared", field="validation")
        self._contracts[contract.hash] = contract
        acceptance = agreement.accept(contract, me)
        self.session.send(message.author, events.ACCEPTANCE, acceptance.text(), ttl=MESSAGE_TTL)
        self._report({"event": "contract", "job": contract.job, "hash": contract.hash})

    def _work(self, message: Message) -> None:
        order = events.RoundOrder.parse(message.content)
        contract = self._contract(order.contract, message.author)
        done = self._results.get((order.contract, order.round))
        now = time.time()
        if order.round > contract.rounds or order.job != contract.job or min(order.deadline, contract.expires) < now:
            raise Untrusted("the order is outside its contract, or too late", field="round")
        if done is None and self._unjudged[order.contract]:
            self._held[order.contract] = message
            return
        if done is None:
            done = self._results[order.contract, order.round] = self._result(order, contract)
            self._unjudged[order.contract].add(order.round)
        self.session.send(message.author, events.RESULT, done.text(), ttl=MESSAGE_TTL)

    def _result(self, order: events.RoundOrder, contract: events.Contract) -> events.Result:
        if order.shard.sha256 not in self._shards:
            while len(self._shards) >= 2 * self.settings.capacity:
                del self._shards[next(iter(self._shards))]
            self._shards[order.shard.sha256] = arrays.unpack_shard(self.blobs.get(order.shard))
        shard = self._shards[order.shard.sha256]
        base = arrays.unpack_state(self.blobs.get(order.base))
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
            model=self.blobs.put(arrays.pack_state(state), order.base.server),
            samples=len(shard),
            steps=training.epochs * -(-len(shard) // training.batch),
            loss=loss if math.isfinite(loss) else None,
            environment={"python": platform.python_version()},
        )

    def _close_round(self, message: Message) -> None:
        verdict = events.Verdict.parse(message.content)
        contract = self._contract(verdict.contract, message.author)
        if verdict.accepted:
            purpose = Purpose(contract.job, verdict.round, self.session.identity.pubkey)
            earned = self.wallet.receive(verdict.payment or "", purpose, message.author, contract.price_msat)
            self._count["earned_msat"] += earned
            self._count["rounds"] += bool(earned)
        else:
            self._count["rejected"] += 1
            self._report({"event": "rejected", "job": contract.job, "round": verdict.round, "reason": verdict.reason})
        self._report(dict(self._count))
        self._unjudged[verdict.contract].discard(verdict.round)  # an accepted round that is not paid stays open
        held = self._held.pop(verdict.contract, None)
        if held is not None:
            self._work(held)

    def _end(self, message: Message) -> None:
        end = events.End.parse(message.content)
        contract = self._contract(end.contract, message.author)
        del self._contracts[end.contract]
        self._results = {key: result for key, result in self._results.items() if key[0] != end.contract}
        self._unjudged.pop(end.contract, None)
        self._held.pop(end.contract, None)
        self._report({"event": "contract ended", "job": contract.job})

    def _contract(self, digest: str, customer: str) -> events.Contract:
        contract = self._contracts.get(digest)
        if contract is None or contract.customer != customer:
            raise Untrusted("there is no such contract with this customer", field="contract")
        return contract


def main(channel: Channel) -> None:
    """Serve until asked to stop."""
    config = channel.config
    settings = ProviderParameters.model_validate(config)
    identity = Identity.load(Path(config["key_file"]))
    ledger = Ledger(Path(config["ledger"]))
    with Session(identity, settings.relays) as session:
        wallet = NoteWallet(identity, ledger)
        Provider(settings, session, wallet, channel.send, channel.stopping).serve()
    ledger.close()
