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

from pilothouse.errors import Failed, PilothouseError, Unavailable
from pilothouse.market.blobs.server import BlobClient
from pilothouse.market.customer.hiring import Hiring
from pilothouse.market.customer.result import Model
from pilothouse.market.customer.result_file import Books
from pilothouse.market.customer.settling import Settling
from pilothouse.market.customer.state import BASE, Committed, OpenRound
from pilothouse.market.lab_market.admission import door
from pilothouse.market.lab_market.following import is_told_to_leave
from pilothouse.market.learning import arrays, averaging, datasets, trainers, verdicts
from pilothouse.market.learning.arrays import Shard, State
from pilothouse.market.messages import events
from pilothouse.market.messages.message import Message
from pilothouse.market.messages.parameters import JobParameters
from pilothouse.market.money.ledger import Ledger
from pilothouse.market.money.notes import NoteWallet
from pilothouse.market.money.protocols import Wallet
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.loop_thread import settled
from pilothouse.market.nostr.patience import RETURN_S, Deadline, Stopped, connected, private_messages
from pilothouse.market.nostr.session import Session
from pilothouse.runs.channel import DONE, Channel
from pilothouse.state import write_atomic

#: Rounds in a row without an accepted result that end a contract.
STRIKES = 2
#: How often a process tries to go on when relays or blob server are away, and the seconds in between: enough to hear
#: that they are because its own pilot is lost.
ATTEMPTS = 5
LOSS_S = 1.0


@dataclass
class Partner:
    """A provider under contract, and the shard that it works on."""

    contract: events.Contract
    shard: Shard = field(repr=False)
    blob: events.BlobRef

    @property
    def key(self) -> str:
        """Its public key, hex."""
        return self.contract.provider


class Customer:
    """One job, from its beginning or from what an earlier process had committed of it.

    Parameters
    ----------
    report
        Gets a message a round: ``round``, ``accuracy``, ``loss``, ``paid_msat``; and ``event`` with details.
    stop
        Ends :meth:`run` with :class:`Stopped`; what the books hold by then stays.
    admits
        Whether the owner of a public key (hex) may be hired; everybody when left out.
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
        admits: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.job = job
        self.session = session
        self.books = books
        self.blobs = BlobClient(session.identity)
        self._report = report
        self._stop = stop
        self._admits = admits
        self._at = books.committed
        self._settling = Settling(job, session, wallet, books, report)
        self._data = data
        self._trainer = trainers.trainer(job.training.trainer)
        self._partners: list[Partner] = []

    def run(self) -> None:
        """Trade, from the call to the last receipt; :meth:`leave` is what follows.

        Raises
        ------
        Failed
            Nobody bids, nobody signs, every provider was dropped, or the contracts ended while nobody drove the job;
            the message says which.
        Stopped
            As asked.
        """
        job, data = self.job, self._data
        self.session.listen()
        state = self._trainer.initial(job.training, data.x.shape[1], int(data.y.max()) + 1, job.seed)
        self._initial_norm = arrays.norm(state)
        packed = arrays.pack_state(state)
        hiring = Hiring(job, self.session, self._at, self._report, self._stop, self._admits)
        signed = hiring.hire(sum(one.size for one in state.values()), len(data), hashlib.sha256(packed).hexdigest())
        held_out, self._partners = self._deal(signed)
        state = self.books.state(state)
        if self._at.is_continued:
            self._catch_up()
        for number in range(self.books.rounds_done + 1, job.rounds + 1):
            if not self._partners:
                raise Failed(f"no provider is left after round {number - 1}: see run.events() for their verdicts")
            state = self._round(number, state, held_out)
            self._drop(number)

    def leave(self) -> None:
        """End all contracts, so that the providers are free for others; one that has ended may be ended again."""
        with contextlib.suppress(PilothouseError):  # a relay that is gone: the contracts expire
            for one in self._at.signed:
                self._end(one.contract)

    def _catch_up(self) -> None:
        """Tell again what may not have arrived when the process before this one ended."""
        done = self.books.rounds_done
        for one in self.books.rounds:
            self._report({key: one[key] for key in ("round", "accuracy", "loss", "paid_msat")})
        for partner in self._partners:
            self._settling.repeat_verdict(partner.contract)
        self._partners = [one for one in self._partners if self.books.strikes(one.key, done - 1) < STRIKES]
        self._drop(done)
        self._report({"event": "job continued", "round": done + 1})

    def _drop(self, number: int) -> None:
        """Part from those who had no accepted result for too long."""
        for partner in [one for one in self._partners if self.books.strikes(one.key, number) >= STRIKES]:
            self._part(partner)
            self._report({"event": "provider dropped", "provider": partner.key, "round": number})

    def _part(self, partner: Partner) -> None:
        self._partners.remove(partner)
        self._end(partner.contract)

    def _end(self, contract: events.Contract) -> None:
        end = events.End(job=self.job.job, contract=contract.hash)
        self.session.send(contract.provider, events.END, end.text(), ttl=self.job.duration)

    def _deal(self, contracts: Sequence[events.Contract]) -> tuple[Shard, list[Partner]]:
        """Hold a part out, scale by the rest, and give each provider its shard as a private blob."""
        job, data = self.job, self._data
        kept, *parts = datasets.split(data.y, len(contracts), job.seed, job.held_out)
        scale = datasets.Scaling.of(data.x[np.concatenate(parts)])
        self.books.scaling = scale
        partners = []
        for contract, part in zip(contracts, parts, strict=True):
            shard = Shard(scale(data.x[part]), data.y[part])
            if contract.provider not in self._at.shards:
                self._at.shards[contract.provider] = self.blobs.put(arrays.pack_shard(shard), job.blobs)
            partners.append(Partner(contract, shard, self._at.shards[contract.provider]))
        self._at.commit()
        return Shard(scale(data.x[kept]), data.y[kept]), partners

    def _round(self, number: int, base: State, held_out: Shard) -> State:
        job, partners = self.job, self._partners
        opened = self._opened(number, base)
        if not opened.is_collected:
            self._order(opened)
            self._collect(opened)
        candidates = [self._candidate(opened, partner) for partner in partners]
        judged = verdicts.judge(candidates, base, held_out, self._trainer, job.validation, self._initial_norm)
        chosen = [one for one, judgement in zip(candidates, judged, strict=True) if judgement.included]
        states = [one.state for one in chosen if one.state is not None]
        state = averaging.fedavg(states, [len(one.shard) for one in chosen]) if states else base
        for judgement, partner in zip(judged, partners, strict=True):
            if partner.key not in opened.settled:
                self._settling.settle(number, judgement, partner.contract)
        accuracy = trainers.accuracy(self._trainer, state, held_out)
        loss = trainers.loss(self._trainer, state, held_out)
        self.books.close_round(number, accuracy, loss, Model(job.training.trainer, state, self.books.scaling))
        self._report({"round": number, "accuracy": accuracy, "loss": loss, "paid_msat": self.books.paid_msat})
        return state

    def _opened(self, number: int, base: State) -> OpenRound:
        """The round that is to be done: a new one, or the one at which an earlier process was."""
        opened = self._at.round
        if opened is None:
            packed = arrays.pack_state(base)
            write_atomic(self._at.folder / BASE, packed)
            opened = self._at.round = OpenRound(number=number, base=self.blobs.put(packed, self.job.blobs))
        elif not opened.is_collected:
            opened.attempt = min(opened.attempt + 1, 100)
        self._at.commit()
        return opened

    def _order(self, opened: OpenRound) -> None:
        """Ask those who have not answered yet."""
        job, now = self.job, time.time()
        if all(partner.contract.expires <= now for partner in self._partners):
            unspent = (job.budget_msat - self.books.paid_msat) / 1000
            raise Failed(
                f"the contracts ended before round {opened.number}, for the job stood still for too long: post it "
                f"again; {unspent:g} sat of its budget are not spent"
            )
        sent = []
        for index, partner in enumerate(self._partners):
            order = events.RoundOrder(
                job=job.job,
                contract=partner.contract.hash,
                round=opened.number,
                attempt=opened.attempt,
                base=opened.base,
                shard=partner.blob,
                seed=(job.seed * 1_000_003 + opened.number * 1009 + index) % 2**32,
                deadline=int(now + job.round_seconds) + 1,
            )
            if partner.key not in opened.answers:
                sent.append(self.session.send_soon(partner.key, events.ROUND_ORDER, order.text(), ttl=job.duration))
        for future in sent:
            settled(future)

    def _collect(self, opened: OpenRound) -> None:
        """Wait for what comes back in time."""
        waiting = {partner.key: partner for partner in self._partners if partner.key not in opened.answers}
        deadline = Deadline(self.job.round_seconds)
        while waiting:
            if opened.answers and len(opened.answers) >= len(waiting):
                deadline.hurry(self.job.patience_seconds)
            message = next(private_messages(self.session, deadline, self._stop), None)
            if message is None:
                break
            partner = waiting.get(message.author)
            if message.kind == events.RESULT and partner is not None and self._take(message, opened, partner):
                del waiting[partner.key]
        opened.is_collected = True
        self._at.commit()

    def _take(self, message: Message, opened: OpenRound, partner: Partner) -> bool:
        """Commit the result in `message`; False when it is of another round or contract.

        Raises
        ------
        Unavailable
            The job's own blob server is away: that is not the provider's fault.
        """
        model = result = fault = None
        try:
            result = events.Result.parse(message.content)
            if result.contract != partner.contract.hash:
                return False
            if result.round != opened.number:
                if result.round == opened.number - 1:  # it does not know that this one is settled
                    self._settling.repeat_verdict(partner.contract)
                return False
            model = self.blobs.get(result.model)
            arrays.unpack_state(model)
        except PilothouseError as error:
            if isinstance(error, Unavailable) and result is not None and result.model.server == self.job.blobs:
                raise
            reason = str(error)
            self._report(
                {"event": "result unreadable", "provider": partner.key, "round": opened.number, "reason": reason}
            )
            model, fault = None, verdicts.Reason.UNREADABLE
        self._at.keep(opened, partner.key, model, fault)
        return True

    def _candidate(self, opened: OpenRound, partner: Partner) -> verdicts.Candidate:
        """What the provider answered."""
        if partner.key not in opened.answers:
            return verdicts.Candidate(partner.key, None, partner.shard, verdicts.Reason.LATE)
        fault = opened.answers[partner.key]
        state = arrays.unpack_state(self._at.answer(partner.key)) if fault is None else None
        return verdicts.Candidate(partner.key, state, partner.shard, fault)


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
    ledger = Ledger(Path(config["ledger"]))  # first: until it is ours, an earlier process may be at it
    wallet = NoteWallet(identity, ledger)
    wallet.fund(job.budget_msat, job.job)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            committed = Committed.load(folder)
            books = Books(committed, ledger.path, job, identity.npub)
            try:
                _trade(channel, job, data, identity, wallet, books, is_last=attempt == ATTEMPTS)
                break
            except Unavailable:  # perhaps the relay or the blob server was lost with another node, and comes back
                if attempt == ATTEMPTS or not committed.call or channel.stopping.wait(LOSS_S):
                    raise
        channel.send(DONE)
    except Stopped:
        print(json.dumps({"stopped after round": books.rounds_done}), flush=True)  # noqa: T201 - the run's log
    finally:
        ledger.close()


def _trade(
    channel: Channel,
    job: JobParameters,
    data: Shard,
    identity: Identity,
    wallet: Wallet,
    books: Books,
    *,
    is_last: bool,
) -> None:
    patience = RETURN_S if books.committed.is_continued else 0
    with connected(identity, job.relays, channel.stopping, patience) as session:
        customer = Customer(job, data, session, wallet, books, channel.send, channel.stopping, door(job.market))
        try:
            customer.run()
        except Stopped:
            if is_told_to_leave(channel):
                customer.leave()
            raise
        except Unavailable:
            if is_last or (channel.stopping.is_set() and is_told_to_leave(channel)):
                customer.leave()  # it is perhaps the blob server alone that is away
            raise
        except Exception:
            customer.leave()
            raise
        customer.leave()
