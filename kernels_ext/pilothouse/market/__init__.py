"""Buying and selling training on a Nostr market, after the FEDSTR idea (arXiv:2404.15834).

``market = ph.market.connect()`` opens the user's lab market, or one on relays of their choice; then
``market.post(...)`` buys and ``market.provide(...)`` sells. Nostr, learning and money are imported when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.market.figures import accuracy_figure as accuracy_figure
    from pilothouse.market.handle import Market as Market
    from pilothouse.market.handle import connect as connect
    from pilothouse.market.handle import ledger as ledger
    from pilothouse.market.job import Job as Job
    from pilothouse.market.outcome import Model as Model
    from pilothouse.market.outcome import TrainingResult as TrainingResult

__all__ = ["Job", "Market", "Model", "TrainingResult", "accuracy_figure", "connect", "ledger"]

_WHERE = {
    "Job": "job",
    "Market": "handle",
    "Model": "outcome",
    "TrainingResult": "outcome",
    "accuracy_figure": "figures",
    "connect": "handle",
    "ledger": "handle",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pilothouse.market' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pilothouse.market.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
