"""Buying and selling training on a Nostr market, after the FEDSTR idea (arXiv:2404.15834).

``market = ph.market.connect()`` opens the user's lab market, or one on relays of their choice; then
``market.post(...)`` buys and ``market.provide(...)`` sells. Nostr, learning and money are imported when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.market.customer.job import Job as Job
    from pilothouse.market.customer.result import Model as Model
    from pilothouse.market.customer.result import TrainingResult as TrainingResult
    from pilothouse.market.figures import accuracy_figure as accuracy_figure
    from pilothouse.market.market import Market as Market
    from pilothouse.market.market import connect as connect
    from pilothouse.market.market import ledger as ledger

__all__ = ["Job", "Market", "Model", "TrainingResult", "accuracy_figure", "connect", "ledger"]

_WHERE = {
    "Job": "customer.job",
    "Market": "market",
    "Model": "customer.result",
    "TrainingResult": "customer.result",
    "accuracy_figure": "figures",
    "connect": "market",
    "ledger": "market",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pilothouse.market' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pilothouse.market.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
