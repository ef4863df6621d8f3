"""What a cell shows of Pilothouse: live views of runs, and static pictures where nothing can be live."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse_widgets.bundles import pilot_mimebundle, run_mimebundle
    from pilothouse_widgets.plots import figure
    from pilothouse_widgets.run_view import RunView
    from pilothouse_widgets.sites import sites_mimebundle
    from pilothouse_widgets.standalone import figure_mimebundle
    from pilothouse_widgets.timeline import timeline_mimebundle

__all__ = [
    "RunView",
    "figure",
    "figure_mimebundle",
    "pilot_mimebundle",
    "run_mimebundle",
    "sites_mimebundle",
    "timeline_mimebundle",
]

_MODULES = {
    "RunView": "run_view",
    "figure": "plots",
    "figure_mimebundle": "standalone",
    "pilot_mimebundle": "bundles",
    "run_mimebundle": "bundles",
    "sites_mimebundle": "sites",
    "timeline_mimebundle": "timeline",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"pilothouse_widgets.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'pilothouse_widgets' has no attribute {name!r}")
