"""The user's books: the ledgers of jobs bought and of keys that sell, read together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from pilothouse.market.money import ledger
from pilothouse.market.money.ledger import Transaction


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

    def _rows(self) -> list[tuple[str, str, int]]:
        return [(name, account, msat) for name, all_ in self.balances().items() for account, msat in all_.items()]

    def __repr__(self) -> str:
        rows = [f"{name:<24} {account[:24]:<24} {msat / 1000:>12,.3f} sat" for name, account, msat in self._rows()]
        state = "balanced" if self.balanced else "NOT BALANCED"
        return "\n".join([f"{len(self.ledgers)} ledgers, {len(self.transactions)} transactions, {state}", *rows])

    def _repr_html_(self) -> str:
        body = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(account[:32])}</td><td>{msat / 1000:,.3f}</td></tr>"
            for name, account, msat in self._rows()
        )
        state = "balanced" if self.balanced else "not balanced"
        head = "<tr><th>ledger</th><th>account</th><th>test sat</th></tr>"
        return f"<table><caption>{state}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
