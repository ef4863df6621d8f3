"""What a handle shows of itself as the last line of a cell: a live view, HTML for where nothing is live, and text."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from pilothouse.errors import PilothouseError
from pilothouse_widgets.html import pilot_html, run_html
from pilothouse_widgets.services import service_of

if TYPE_CHECKING:
    from pilothouse.pilots import Pilot
    from pilothouse.pilots.attached import AttachedPilot
    from pilothouse.runs.handle import Run
    from pilothouse_widgets.run_view import RunView

#: The live view of each run shown in this process: a run shown twice has one model with two views, and one feed.
_views: weakref.WeakValueDictionary[str, RunView] = weakref.WeakValueDictionary()


def run_mimebundle(run: Run, text: str | None = None) -> dict[str, Any]:
    """The rich display of a run: a live view in a notebook, and a table with a picture everywhere.

    `text` is what a terminal gets, by default its ``repr``. The HTML (below 10 kB, escaped, no script) is what exports
    and pages without a kernel show.
    """
    html = run_html(run.record, _frame(run), service_of(run))
    bundle = {"text/plain": repr(run) if text is None else text, "text/html": html}
    view = _view(run)
    if view is not None:
        bundle |= view_part(view)
    return bundle


def pilot_mimebundle(pilot: Pilot | AttachedPilot) -> dict[str, Any]:
    """The rich display of a pilot: its state and its nodes."""
    return {"text/plain": repr(pilot), "text/html": pilot_html(pilot.record, _cost(pilot))}


def _cost(pilot: Pilot | AttachedPilot) -> dict[str, float] | None:
    """What it has cost; of a cluster that others started, what our nodes there have."""
    ours = getattr(pilot, "companion", pilot)
    return None if ours is None else ours.cost()


def view_part(view: RunView) -> dict[str, Any]:
    """The part of a MIME bundle that makes a page show `view`."""
    return {
        "application/vnd.jupyter.widget-view+json": {
            "version_major": 2, "version_minor": 0, "model_id": view.model_id,
        }
    }  # fmt: skip


def _frame(run: Run) -> Any:
    from pilothouse.telemetry import load

    try:
        return run.frame()
    except PilothouseError:  # its supervisor can't be reached just now: what it last wrote to disk
        return load(run.folder / "telemetry.bin")


def _view(run: Run) -> RunView | None:
    """The live view of `run`; None where there is no notebook to show it, or the package was not built."""
    from pilothouse_widgets.notebook import in_notebook

    if not in_notebook():
        return None
    try:
        from pilothouse_widgets.run_view import RunView
    except FileNotFoundError:  # a checkout whose front end was not built
        return None
    view = _views.get(run.name)
    if view is None or view.is_closed:
        view = _views[run.name] = RunView(run)
    return view
