"""The progress of a wait, in the output of the cell that waits: one line that replaces itself.

It is HTML with a display id, not a widget: nothing is left in the page when the wait is over, and exports show text.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from html import escape

from pilothouse_widgets.notebook import in_notebook

#: Seconds between two updates, at least.
INTERVAL = 0.25


class Progress:
    """One line in the output of the running cell.

    Raises
    ------
    ImportError
        This process is no Jupyter kernel: there is no cell to show it in.
    """

    def __init__(self) -> None:
        if not in_notebook():
            raise ImportError("not in a Jupyter kernel")
        self._id = f"pilothouse-{secrets.token_hex(6)}"
        self._shown = False
        self._last = 0.0

    def update(self, text: str, fraction: float | None) -> None:
        """Show `text`, with a bar when a fraction (0 to 1) is known."""
        if time.monotonic() - self._last < INTERVAL:
            return
        self._last = time.monotonic()
        value = "" if fraction is None else f' value="{fraction:.4f}"'
        share = "" if fraction is None else f" {fraction:.0%}"
        self._publish(
            f'<div><progress max="1"{value}></progress>{share} &nbsp; {escape(text[:200])}</div>', text + share
        )

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            self._publish("", "")

    def _publish(self, html: str, text: str) -> None:
        from IPython.display import publish_display_data

        publish: Callable[..., None] = publish_display_data
        publish({"text/html": html, "text/plain": text}, transient={"display_id": self._id}, update=self._shown)
        self._shown = True
