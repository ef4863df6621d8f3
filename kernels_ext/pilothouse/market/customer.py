"""The customer's side of a job: call, contracts, rounds, judgement, payment, model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.errors import Failed, PilothouseError
from pilothouse.market import events, verdicts
from pilothouse.market.blobs import BlobClient
from pilothouse.market.hiring import Hiring
from pilothouse.market.learning import arrays, averaging, datasets, trainers
from pilothouse.market.learning.arrays import Shard, State
from pilothouse.market.loop_thread import settled
from pilothouse.market.message import Message
from pilothouse.market.money.ledger import Ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.money.protocols import Payment, Purpose, Wallet
from pilothouse.market.nostr import Identity, Session
from pilothouse.market.outcome import Books, Model
from pilothouse.market.parameters import JobParameters
from pilothouse.market.patience import Deadline, Stopped, private_messages
from pilothouse.pilots.child import Channel

#: Seconds for which a receipt stays on the relay.
RECEIPT_TTL = 30 * 86_400.0
#: Rounds in a row without an accepted result that end a contract.
STRIKES = 2


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
        self._partners: list[Partner] = []

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
        hiring = Hiring(job, self.session, self.books, self._report, self._stop)
        call, bids = hiring.call(sum(values.size for values in state.values()), len(data))
        signed = hiring.contract(call, bids, hashlib.sha256(packed).hexdigest())
        held_out, self._partners = self._deal(signed)
        self._initial_norm = arrays.norm(state)
        try:
            for number in range(1, job.rounds + 1):
                state = self._round(number, state, held_out, call)
                for partner in [one for one in self._partners if one.strikes >= STRIKES]:
                    self._part(partner)
                    self._report({"event": "provider dropped", "provider": partner.key, "round": number})
                if not self._partners and number < job.rounds:
                    raise Failed(f"no provider is left after round {number}: see run.events() for their verdicts")
        finally:
            with contextlib.suppress(PilothouseError):  # a relay that is gone: the contracts expire
                for partner in list(self._partners):
                    self._part(partner)

    def _part(self, partner: Partner) -> None:
        """End a contract, so that the provider is free for others."""
        self._partners.remove(partner)
        end = events.End(job=self.job.job, contract=partner.contract.hash)
        self.session.send(partner.key, events.END, end.text(), ttl=self.job.duration)

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

    def _round(self, number: int, base: State, held_out: Shard, call: str) -> State:
        job, partners = self.job, self._partners
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
            sent.append(self.session.send_soon(partner.key, events.ROUND_ORDER, order.text(), ttl=self.job.duration))
        for future in sent:
            settled(future)
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
        for message in private_messages(self.session, deadline, self._stop):
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
            self.session.send(partner.key, events.VERDICT, verdict.text(), ttl=self.job.duration)

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
