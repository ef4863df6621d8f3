"""A double-entry journal: a file of JSON lines, one transaction each, on disk before anything follows from it."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pilothouse.errors import Conflict, PilothouseError
from pilothouse.registry import lines
from pilothouse.state import utcnow

#: The account that money comes from; the only one that may be negative.
ISSUED = "issued"
#: Seconds to wait for the writer before this one: when a supervisor dies, its processes take some to end.
WRITER_S = 15.0


class Transaction(BaseModel):
    """Amounts (msat) moved between accounts; they add up to zero."""

    model_config = ConfigDict(frozen=True)
    schema_version: int = 1
    time: datetime
    what: str
    key: str
    entries: dict[str, int]
    proof: str | None = None


class Ledger:
    """The journal at `path`, for its one writer: a run's process.

    A last line that a crash cut short was never acted on, and is dropped.

    Parameters
    ----------
    wait
        Seconds for the writer before this one to end.

    Raises
    ------
    Conflict
        Another process still writes it.
    PilothouseError
        A line before the last can't be read: the ledger is not used, and not changed.
    """

    def __init__(self, path: Path, *, wait: float = WRITER_S) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._claim(wait)
            self.transactions, size = _read(path)
            if os.fstat(self._file).st_size > size:
                os.ftruncate(self._file, size)
        except BaseException:
            self.close()
            raise

    def _claim(self, wait: float) -> None:
        deadline = time.monotonic() + wait
        while True:
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = f"another process writes the ledger {self.path}: end the run that it belongs to"
                    raise Conflict(message, field="ledger") from None
                time.sleep(0.05)
            except OSError as error:  # some NFS servers know no locks
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
                return None

    def post(self, what: str, key: str, entries: Mapping[str, int], proof: str | None = None) -> Transaction:
        """Write a transaction; it is on disk when this returns.

        Raises
        ------
        Conflict
            The amounts do not add up to zero, or an account would be overdrawn.
        """
        if sum(entries.values()) != 0:
            raise Conflict(f"the transaction {what} {key} does not balance: {dict(entries)}", field="entries")
        balances = balances_of(self.transactions)
        for account, amount in entries.items():
            if amount < 0 and account != ISSUED and balances[account] + amount < 0:
                raise Conflict(
                    f"{account} has {balances[account]} msat: {-amount} msat can't be taken from it",
                    field="amount_msat",
                )
        transaction = Transaction(time=utcnow(), what=what, key=key, entries=dict(entries), proof=proof)
        size = os.fstat(self._file).st_size
        try:
            lines.write(self._file, [transaction.model_dump(mode="json")])
            os.fsync(self._file)
        except OSError:  # a part of a line would spoil the ledger
            os.ftruncate(self._file, size)
            raise
        self.transactions.append(transaction)
        return transaction

    def find(self, what: str, key: str) -> Transaction | None:
        """The transaction of that kind with that key."""
        return next((one for one in self.transactions if (one.what, one.key) == (what, key)), None)

    def balances(self) -> Counter[str]:
        """Account -> msat."""
        return balances_of(self.transactions)

    def close(self) -> None:
        """Close the file. Closing twice is no error."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read(path: Path) -> list[Transaction]:
    """The transactions in the journal at `path` (none when there is no file), without changing it."""
    return _read(path)[0]


def balances_of(transactions: Iterable[Transaction]) -> Counter[str]:
    """Account -> msat."""
    total: Counter[str] = Counter()
    for transaction in transactions:
        for account, amount in transaction.entries.items():
            total[account] += amount
    return total


def balanced(transactions: Iterable[Transaction]) -> bool:
    """Whether every transaction adds up to zero and no account but the issuer's is negative."""
    transactions = list(transactions)
    even = all(sum(one.entries.values()) == 0 for one in transactions)
    return even and all(amount >= 0 for account, amount in balances_of(transactions).items() if account != ISSUED)


def _read(path: Path) -> tuple[list[Transaction], int]:
    """The transactions, and the bytes that they take."""
    found, size = lines.whole(path)
    try:
        return [Transaction.model_validate_json(line) for line in found], size
    except ValidationError as error:
        raise PilothouseError(f"the ledger {path} has a line that can't be read: {error}", field="ledger") from None
