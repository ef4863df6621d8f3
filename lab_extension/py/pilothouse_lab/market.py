"""The training market, as far as this user takes part in it."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from pilothouse_lab.answers import Answer


class Market(Answer):
    """Calls, offers, receipts and the ledger."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """All of it; empty lists where no market runs."""
        empty: dict[str, Any] = {"calls": [], "offers": [], "receipts": [], "ledger": None}
        self.answer(empty)
