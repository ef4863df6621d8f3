"""The user's books: the ledgers of jobs bought and of keys that sell, read together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pilothouse.market.money import ledger
from pilothouse.market.money.ledger import Transaction
from pilothouse.tables import html_table, text_table

#: How the columns of what the accounts hold are called.
_HEAD = ("ledger", "account", "test sat")


@dataclass(frozen=True)
class Accounts:
    """Ledgers by name, with their transactions."""

    ledgers: dict[str, list[Transaction]]

    @staticmethod
    def read(paths: Iterable[Path]) -> Accounts:
        """The journals at `paths`."""
        return Accounts({path.stem: ledger.read(path) for path in paths})

    @property
    def transactions(self) -> list[Transaction]:
        """All of them, the oldest first."""
        return sorted((one for some in self.ledgers.values() for one in some), key=lambda one: one.time)

    def balances(self) -> dict[str, Counter[str]]:
        """Ledger -> account -> msat."""
        return {name: ledger.balances_of(some) for name, some in self.ledgers.items()}

    @property
    def balanced(self) -> bool:
        """Whether each ledger balances."""
        return all(ledger.balanced(some) for some in self.ledgers.values())

    def _rows(self) -> list[tuple[str, str, str]]:
        return [
            (name, account[:32], f"{msat / 1000:,.3f}")
            for name, balances in self.balances().items()
            for account, msat in balances.items()
        ]

    def __repr__(self) -> str:
        return f"{self._state()}\n{text_table([_HEAD, *self._rows()], numbers=[2])}"

    def _repr_html_(self) -> str:
        return html_table(_HEAD, self._rows(), self._state(), numbers=[2])

    def _state(self) -> str:
        state = "balanced" if self.balanced else "NOT BALANCED"
        return f"{len(self.ledgers)} ledgers, {len(self.transactions)} transactions, {state}"
