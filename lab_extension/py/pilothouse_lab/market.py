"""The training market, as far as this user takes part in it."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from pilothouse_lab.answers import Answer, in_thread

if TYPE_CHECKING:
    from pilothouse import market

#: The most entries of each list: a panel is no archive.
MOST = 100


class Market(Answer):
    """Calls, offers, receipts and the ledger."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """What stands on the lab market while it runs (it is not started for this), and the user's own books."""
        self.answer(await in_thread(_look))


class _Open:
    """The market that was looked at last: its connection is kept as long as its run goes on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._run = ""
        self._market: market.Market | None = None

    def find(self) -> market.Market | None:
        """The user's lab market; None where none runs, or it is not open yet."""
        from pilothouse.runs.handle import runs

        live = next((run for run in runs() if run.kind == "market" and run.state == "running"), None)
        if self._market is not None and (live is None or live.name != self._run):
            self._market.close()
            self._market = None
        if live is not None and self._market is None:
            from pilothouse.market import Market
            from pilothouse.market.lab_market.driver import WHERE

            with contextlib.suppress(FileNotFoundError):
                where = json.loads((live.folder / WHERE).read_text())
                self._market, self._run = Market([where["relay"]], where["blobs"], None, live), live.name
        return self._market


_open = _Open()


def _look() -> dict[str, Any]:
    from pilothouse.errors import PilothouseError

    lists: dict[str, Any] = {"calls": [], "offers": [], "receipts": []}
    reason = ""
    with _open.lock:
        try:
            found = _open.find()
            if found is not None:
                lists = {name: [asdict(entry) for entry in getattr(found, name)()[:MOST]] for name in lists}
        except PilothouseError as error:  # a relay that does not answer must not hide the user's pilots
            reason = str(error)
    whole = lists | {"ledger": _books(), "reason": reason}
    answer: dict[str, Any] = json.loads(json.dumps(whole, default=lambda time: time.isoformat()))
    return answer


def _books() -> dict[str, Any] | None:
    """Balances in msat, each as "ledger: account"; None where nothing was ever bought or sold."""
    from pilothouse.state import home

    journals = sorted((home() / "market").glob("*.jsonl"))
    if not journals:
        return None
    from pilothouse.market.money.accounts import Accounts

    books = Accounts.read(journals)
    return {
        "balanced": books.balanced,
        "transactions": len(books.transactions),
        "balances_msat": {
            f"{name}: {account}": msat for name, all_ in books.balances().items() for account, msat in all_.items()
        },
    }
