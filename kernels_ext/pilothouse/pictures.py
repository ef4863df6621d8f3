"""What shows itself as the last line of a cell: handles, tables, and Bokeh figures."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

F = TypeVar("F")


def mimebundle(function: str, *shown: Any, text: str) -> dict[str, Any]:
    """The rich display that `function` of ``pilothouse_widgets`` makes of `shown`; `text` without that package."""
    try:
        make = getattr(importlib.import_module("pilothouse_widgets"), function)
    except ImportError:
        return {"text/plain": text}
    bundle: dict[str, Any] = make(*shown)
    return bundle


def self_showing(figure: F, text: str) -> F:
    """`figure`, a Bokeh model that now shows itself in a cell: Bokeh's own do only when they are given to ``show``.

    Parameters
    ----------
    text
        What it shows, in words: for a terminal, for people who don't see it, and where there is no BokehJS.
    """
    # A subclass would need a model of its own in BokehJS; a model takes attributes of no property when private.
    object.__setattr__(
        figure, "_repr_mimebundle_", lambda **_: mimebundle("figure_mimebundle", figure, text, text=text)
    )
    return figure
