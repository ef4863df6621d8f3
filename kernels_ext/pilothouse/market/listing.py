"""Lists of calls, offers and receipts that a notebook shows as tables. What others wrote is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from html import escape
from typing import Any, Generic, TypeVar

from pilothouse.market.messages import events
from pilothouse.market.messages.message import Message
from pilothouse.tables import html_table, text_table


@dataclass(frozen=True)
class ListedCall:
    """A customer's call. `customer` is the public key that signed it (hex), `id` the event's."""

    title: str
    job: str
    algorithm: str
    trainer: str
    rounds: int
    providers: int
    max_price_sat: float
    samples: int
    bids_until: datetime
    customer: str
    id: str

    @staticmethod
    def of(message: Message) -> ListedCall:
        """The call in an event; raises :class:`~pilothouse.errors.Untrusted` when it is none."""
        call = events.Call.parse(message.content)
        return ListedCall(
            title=call.title,
            job=call.job,
            algorithm=call.algorithm,
            trainer=call.training.trainer,
            rounds=call.rounds,
            providers=call.providers,
            max_price_sat=call.max_price_msat / 1000,
            samples=call.samples,
            bids_until=datetime.fromtimestamp(min(max(call.bids_until, 0), 253_402_300_799), UTC),
            customer=message.author,
            id=message.id,
        )


@dataclass(frozen=True)
class ListedOffer:
    """A provider's offer. `provider` is the public key that signed it (hex), `id` the event's."""

    name: str
    price_sat: float
    algorithms: tuple[str, ...]
    trainers: tuple[str, ...]
    cores: int
    capacity: int
    provider: str
    id: str

    @staticmethod
    def of(message: Message) -> ListedOffer:
        """The offer in an event; raises :class:`~pilothouse.errors.Untrusted` when it is none."""
        offer = events.Offer.parse(message.content)
        return ListedOffer(
            name=offer.name,
            price_sat=offer.price_msat / 1000,
            algorithms=tuple(offer.algorithms),
            trainers=tuple(offer.trainers),
            cores=offer.cores,
            capacity=offer.capacity,
            provider=message.author,
            id=message.id,
        )


@dataclass(frozen=True)
class ListedReceipt:
    """A customer's public receipt of a verdict. `customer` signed it."""

    job: str
    round: int
    accepted: bool
    reason: str
    amount_sat: float
    provider: str
    customer: str
    id: str

    @staticmethod
    def of(message: Message) -> ListedReceipt:
        """The receipt in an event; raises :class:`~pilothouse.errors.Untrusted` when it is none."""
        receipt = events.Receipt.parse(message.content)
        return ListedReceipt(
            job=receipt.job,
            round=receipt.round,
            accepted=receipt.accepted,
            reason=receipt.reason,
            amount_sat=receipt.amount_msat / 1000,
            provider=receipt.provider,
            customer=message.author,
            id=message.id,
        )


L = TypeVar("L")


class Listing(Sequence[L], Generic[L]):
    """What was found on the relays: a sequence of records, shown as a table."""

    def __init__(self, what: str, rows: Sequence[L]) -> None:
        self._what = what
        self._rows: tuple[L, ...] = tuple(rows)

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[L]:
        return iter(self._rows)

    def _table(self) -> list[list[str]]:
        """The head, then the rows."""
        first: Any = self._rows[0]  # one of the three dataclasses above
        names = [field.name for field in fields(first)]
        return [names, *([_cell(getattr(row, name)) for name in names] for row in self._rows)]

    def __repr__(self) -> str:
        if not self._rows:
            return f"no {self._what}"
        return text_table(self._table())

    def _repr_html_(self) -> str:
        if not self._rows:
            return f"<p>no {escape(self._what)}</p>"
        names, *cells = self._table()
        return html_table((name.replace("_", " ") for name in names), cells)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, tuple):
        value = ", ".join(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if len(text) == 64:  # keys and hashes
        text = f"{text[:12]}…"
    return "".join(char if char.isprintable() else "�" for char in text)
