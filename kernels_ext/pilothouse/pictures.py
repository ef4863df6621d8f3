"""Bokeh figures that show themselves as the last line of a cell, as handles do."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

F = TypeVar("F")


def self_showing(figure: F, text: str) -> F:
    """`figure`, a Bokeh model that now shows itself in a cell: Bokeh's own do only when they are given to ``show``.

    Parameters
    ----------
    text
        What it shows, in words: for a terminal, for people who don't see it, and where there is no BokehJS.
    """

    def bundle(**_: Any) -> dict[str, Any]:
        try:
            widgets = importlib.import_module("pilothouse_widgets")
        except ImportError:
            return {"text/plain": text}
        shown: dict[str, Any] = widgets.figure_mimebundle(figure, text)
        return shown

    # A subclass would need a model of its own in BokehJS; a model takes attributes of no property when private.
    object.__setattr__(figure, "_repr_mimebundle_", bundle)
    return figure
