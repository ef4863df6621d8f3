"""The customer's side of a job: call, contracts, rounds, judgement, payment, model."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.errors import Failed, PilothouseError, Untrusted
from pilothouse.market import agreement, events, verdicts
from pilothouse.market.blobs import BlobClient
from pilothouse.market.learning import arrays, averaging, datasets, trainers
from pilothouse.market.learning.arrays import Shard, State
from pilothouse.market.message import Message
from pilothouse.market.money.ledger import Ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.money.protocols import Payment, Purpose, Wallet
from pilothouse.market.nostr import Identity, Session
from pilothouse.market.outcome import Books, Model
from pilothouse.market.parameters import JobParameters
from pilothouse.pilots.child import Channel

#: Seconds for which a receipt stays on the relay.
RECEIPT_TTL = 30 * 86_400.0
#: Seconds that a provider has to sign a contract.
SIGN_SECONDS = 10.0
#: Seconds that other providers have to bid once enough have.
BID_PATIENCE = 4.0
#: Once half have returned a result, the others get this many times what these took, and the job's patience at least.
PATIENCE = 2.0
#: Rounds in a row without an accepted result that end a contract.
STRIKES = 2


class Stopped(Exception):
    """The user asked the job to stop."""


class Deadline:
    """A moment `seconds` from now, which may be brought forward."""

    def __init__(self, seconds: float) -> None:
        self._begun = time.monotonic()
        self._seconds = seconds

    @property
    def left(self) -> float:
        """Seconds."""
        return self._begun + self._seconds - time.monotonic()

    def hurry(self, patience: float) -> None:
        """Enough answers are here: the others get `patience` seconds more, or longer where these took long."""
        taken = time.monotonic() - self._begun
        self._seconds = min(self._seconds, taken + max(taken * PATIENCE, patience))


@dataclass
class Partner:
    """A provider under contract, and the shard that it works on."""

    contract: events.Contract
    shard: Shard = field(repr=False)
    blob: events.BlobRef
    strikes: int = 0

    @property
    def key(self) -> str:
        """Its public key, hex."""
        return self.contract.provider


class Customer:
    """One job.

    Parameters
    ----------
    report
        Gets a message a round: ``round``, ``accuracy``, ``loss``, ``paid_msat``; and ``event`` with details.
    stop
        Ends :meth:`run` with :class:`Stopped`; what the books hold by then stays.
    """

    def __init__(
        self,
        job: JobParameters,
        data: Shard,
        session: Session,
        wallet: Wallet,
        books: Books,
        report: Callable[[dict[str, Any]], None],
        stop: threading.Event,
    ) -> None:
        self.job = job
        self.session = session
        self.wallet = wallet
        self.books = books
        self.blobs = BlobClient(session.identity)
        self._report = report
        self._stop = stop
        self._data = data
        self._trainer = trainers.trainer(job.training.trainer)
        self._ttl = job.bid_seconds + job.rounds * (job.round_seconds + 60) + 600

    def run(self) -> None:
        """Trade, from the call to the last receipt.

        Raises
        ------
        Failed
            Nobody bids, nobody signs, or every provider was dropped; the message says which.
        Stopped
            As asked.
        """
        job, data = self.job, self._data
        self.session.listen()
        state = self._trainer.initial(job.training, data.x.shape[1], int(data.y.max()) + 1, job.seed)
        packed = arrays.pack_state(state)
        call, bids = self._call(sum(values.size for values in state.values()))
        signed = self._contract(call, bids, hashlib.sha256(packed).hexdigest())
        held_out, partners = self._deal(signed)
        self._initial_norm = arrays.norm(state)
        for number in range(1, job.rounds + 1):
            state = self._round(number, state, held_out, partners, call)
            for partner in [one for one in partners if one.strikes >= STRIKES]:
                partners.remove(partner)
                self._report({"event": "provider dropped", "provider": partner.key, "round": number})
            if not partners and number < job.rounds:
                raise Failed(f"no provider is left after round {number}: see run.events() for their verdicts")

    def _call(self, parameters: int) -> tuple[str, list[tuple[str, events.Bid]]]:
        """Publish the call; its id, and the bids that came, the cheapest first."""
        job = self.job
        call = events.Call(
            job=job.job,
            title=job.title,
            training=job.training,
            parameters=parameters,
            samples=len(self._data),
            rounds=job.rounds,
            providers=job.providers,
            max_price_msat=job.max_price_msat,
            validation=events.digest(events.canonical(job.validation.model_dump(mode="json"))),
            bids_until=int(time.time() + job.bid_seconds) + 1,
        )
        tags = [["t", events.NAMESPACE], ["t", call.algorithm], ["bid", str(call.max_price_msat)]]
        published = self.session.publish(events.CALL, call.text(), tags, ttl=self._ttl)
        self._report({"event": "call published", "id": published.id, "job": job.job})
        offers = self._offers(call)
        bids: dict[str, events.Bid] = {}
        deadline = Deadline(job.bid_seconds)
        for message in self._messages(deadline):
            if message.kind != events.BID:
                continue
            if message.author not in offers:  # perhaps it was made after the call
                offers = self._offers(call)
            bid = self._parse(events.Bid, message)
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
            offer = self._parse(events.Offer, message)
            if offer is None or offer.price_msat > call.max_price_msat or call.training.trainer not in offer.trainers:
                continue
            if call.algorithm in offer.algorithms and "test" in offer.payments and offer.capacity > 0:
                found.setdefault(message.author, offer.price_msat)
        return found

    def _contract(self, call: str, bids: list[tuple[str, events.Bid]], initial: str) -> list[events.Contract]:
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
                    expires=int(time.time() + self._ttl),
                )
                proposal = agreement.propose(contract, me)
                self.session.send(provider, events.CONTRACT, proposal.text(), ttl=self._ttl)
                open_[provider] = contract
            waiting = waiting[len(open_) :]
            for message in self._messages(Deadline(SIGN_SECONDS)):
                if message.kind == events.ACCEPTANCE and message.author in open_:
                    acceptance = self._parse(events.Acceptance, message)
                    if acceptance is not None and self._accepted(acceptance, open_[message.author]):
                        signed.append(open_.pop(message.author))
                if not open_:
                    break
        if not signed:
            raise Failed("no provider signed the contract that it bid for")
        return signed

    def _accepted(self, acceptance: events.Acceptance, contract: events.Contract) -> bool:
        try:
            agreement.check_acceptance(acceptance, contract)
        except Untrusted as error:
            self._report({"event": "acceptance refused", "provider": contract.provider, "reason": str(error)})
            return False
        self.books.contract(contract, acceptance)
        self._report({"event": "contract", "provider": contract.provider, "hash": contract.hash})
        return True

    def _deal(self, contracts: Sequence[events.Contract]) -> tuple[Shard, list[Partner]]:
        """Hold a part out, scale by the rest, and give each provider its shard as a private blob."""
        job, data = self.job, self._data
        kept, *parts = datasets.split(data.y, len(contracts), job.seed, job.held_out)
        scale = datasets.Scaling.of(data.x[np.concatenate(parts)])
        self.books.scaling = scale
        partners = []
        for contract, part in zip(contracts, parts, strict=True):
            shard = Shard(scale(data.x[part]), data.y[part])
            partners.append(Partner(contract, shard, self.blobs.put(arrays.pack_shard(shard), job.blobs)))
        return Shard(scale(data.x[kept]), data.y[kept]), partners

    def _round(
        self, number: int, base: State, held_out: Shard, partners: Sequence[Partner], call: str
    ) -> State:  # fmt: skip
        job = self.job
        blob = self.blobs.put(arrays.pack_state(base), job.blobs)
        deadline = int(time.time() + job.round_seconds) + 1
        sent = []
        for index, partner in enumerate(partners):
            order = events.RoundOrder(
                job=job.job,
                contract=partner.contract.hash,
                round=number,
                base=blob,
                shard=partner.blob,
                seed=(job.seed * 1_000_003 + number * 1009 + index) % 2**32,
                deadline=deadline,
            )
            sent.append(self.session.send_soon(partner.key, events.ROUND_ORDER, order.text(), ttl=self._ttl))
        for future in sent:
            future.result(30)
        candidates = self._collect(number, partners)
        judged = verdicts.judge(candidates, base, held_out, self._trainer, job.validation, self._initial_norm)
        chosen = [one for one, judgement in zip(candidates, judged, strict=True) if judgement.included]
        states = [one.state for one in chosen if one.state is not None]
        state = averaging.fedavg(states, [len(one.shard) for one in chosen]) if states else base
        by_key = {partner.key: partner for partner in partners}
        for judgement in judged:
            self._settle(number, judgement, by_key[judgement.provider], call)
        accuracy = trainers.accuracy(self._trainer, state, held_out)
        loss = trainers.loss(self._trainer, state, held_out)
        self.books.close_round(number, accuracy, loss, Model(job.training.trainer, state, self.books.scaling))
        self._report({"round": number, "accuracy": accuracy, "loss": loss, "paid_msat": self.books.paid_msat})
        return state

    def _collect(self, number: int, partners: Sequence[Partner]) -> list[verdicts.Candidate]:
        """What came back in time, in the order of the partners; a fault for those from whom nothing did."""
        waiting = {partner.key: partner for partner in partners}
        found: dict[str, verdicts.Candidate] = {}
        deadline = Deadline(self.job.round_seconds)
        for message in self._messages(deadline):
            partner = waiting.get(message.author)
            if message.kind != events.RESULT or partner is None:
                continue
            candidate = self._candidate(message, number, partner)
            if candidate is None:
                continue
            found[partner.key] = candidate
            del waiting[partner.key]
            if not waiting:
                break
            if len(found) >= len(waiting):
                deadline.hurry(self.job.patience_seconds)
        late = verdicts.Reason.LATE
        return [found.get(one.key) or verdicts.Candidate(one.key, None, one.shard, late) for one in partners]

    def _candidate(self, message: Message, number: int, partner: Partner) -> verdicts.Candidate | None:
        """The result in `message`; None when it is of another round or contract."""
        try:
            result = events.Result.parse(message.content)
            if (result.round, result.contract) != (number, partner.contract.hash):
                return None
            state = arrays.unpack_state(self.blobs.get(result.model))
        except PilothouseError as error:
            self._report({"event": "result unreadable", "provider": partner.key, "round": number, "reason": str(error)})
            return verdicts.Candidate(partner.key, None, partner.shard, verdicts.Reason.UNREADABLE)
        return verdicts.Candidate(partner.key, state, partner.shard)

    def _settle(self, number: int, judgement: verdicts.Judgement, partner: Partner, call: str) -> None:
        """Tell the provider, pay it when its result is accepted, and publish the receipt."""
        contract = partner.contract
        partner.strikes = 0 if judgement.accepted else partner.strikes + 1

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
            self.session.send(partner.key, events.VERDICT, verdict.text(), ttl=self._ttl)

        payment = None
        if judgement.accepted:
            payment = self.wallet.pay(Purpose(self.job.job, number, partner.key), contract.price_msat, tell)
        else:
            tell()
        receipt = events.Receipt(
            job=self.job.job,
            round=number,
            provider=partner.key,
            contract=contract.hash,
            accepted=judgement.accepted,
            reason=judgement.reason.value,
            amount_msat=payment.amount_msat if payment else 0,
            payment=payment.reference if payment else None,
        )
        label = "accepted" if judgement.accepted else "rejected"
        tags = [["L", events.NAMESPACE], ["l", label, events.NAMESPACE], ["p", partner.key], ["e", call]]
        published = self.session.publish(events.RECEIPT, receipt.text(), tags, ttl=RECEIPT_TTL)
        self.books.receipt(receipt, published.id, judgement)
        self._report({"event": label, "provider": partner.key, "round": number, "reason": judgement.reason.value})

    def _messages(self, deadline: Deadline) -> Iterator[Message]:
        """Private messages as they come, until the deadline."""
        while (seconds := deadline.left) > 0:
            if self._stop.is_set():
                raise Stopped
            message = self.session.receive(min(seconds, 0.2))
            if message is not None and message.private:
                yield message

    def _parse(self, model: type[events.M], message: Message) -> events.M | None:
        try:
            return model.parse(message.content)
        except Untrusted as error:
            print(f"{message.author[:8]} kind {message.kind}: {error}", flush=True)  # noqa: T201 - the run's log
            return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def load_data(job: JobParameters, folder: Path) -> Shard:
    """The job's data: named, or the arrays that were put into the run's folder."""
    if job.dataset is not None:
        return datasets.named(job.dataset)
    return arrays.unpack_shard((folder / "data.npz").read_bytes(), max_bytes=2**33)


def main(channel: Channel) -> None:
    """Do one job; what it came to is in the run's folder, after each round."""
    config: Mapping[str, Any] = channel.config
    job = JobParameters.model_validate(config)
    folder = Path(config["folder"])
    identity = Identity.load(Path(config["key_file"]))
    data = load_data(job, folder)
    ledger = Ledger(Path(config["ledger"]))
    wallet = NoteWallet(identity, ledger)
    wallet.fund(job.budget_msat, job.job)
    books = Books(folder, ledger.path, job, identity.npub)
    try:
        with Session(identity, job.relays) as session:
            Customer(job, data, session, wallet, books, channel.send, channel.stopping).run()
    except Stopped:
        print(json.dumps({"stopped after round": books.rounds_done}), flush=True)  # noqa: T201 - the run's log
    finally:
        ledger.close()
