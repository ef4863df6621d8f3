"""Which executors a pilot offers, and what it says of others."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pilothouse.engines.executors.offering import Offers
from pilothouse.errors import InvalidInput, Unavailable


@pytest.mark.parametrize(
    ("options", "field", "says"),
    [
        ({"kind": "threads"}, "kind", "there are 'futures', 'parsl'"),
        ({"retries": -1}, "retries", "0 or more"),
        ({"label": "x"}, "label", "only executors of Parsl"),
    ],
)
def test_what_can_not_be_is_refused(options: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        Offers().executor(**options)
    assert caught.value.field == field


def test_parsl_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pilothouse.engines.executors.parsl", raising=False)
    monkeypatch.setitem(sys.modules, "parsl.executors.base", None)  # which is what a missing one comes to
    with pytest.raises(Unavailable, match=r"parsl is not installed here: pip install 'pilothouse\[parsl\]'"):
        Offers().executor("parsl")
