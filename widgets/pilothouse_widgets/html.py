"""Pilots and runs as small HTML: escaped, without scripts, in the colours of the page around it."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from pilothouse.state import utcnow
from pilothouse_widgets.picture import image

if TYPE_CHECKING:
    from pilothouse.pilots.records import PilotRecord, RunRecord
    from pilothouse.telemetry import Frame

#: A mark for each state: colour alone would not reach everybody.
_MARKS = {
    "pending": "◌", "starting": "◔", "running": "●", "draining": "◕", "stopping": "◕",
    "finished": "✓", "failed": "✗", "lost": "?",
}  # fmt: skip

#: The most characters of a reason, and the most nodes in a table: a page of HTML stays below 10 kB.
_REASON, _NODES = 600, 16

_CELL = 'style="text-align:left;padding:1px 12px 1px 0"'


def run_html(record: RunRecord, frame: Frame) -> str:
    """A run: name, state, progress and a picture of its telemetry."""
    parts = [_heading(record.name, f"{record.kind} on {record.pilot}", record.state, _lasted(record))]
    if record.progress is not None and record.progress.total > 0:
        progress = record.progress
        parts.append(
            f'<div><progress max="1" value="{min(progress.done / progress.total, 1):.4f}"></progress> '
            f"{progress.done:g} of {progress.total:g} {escape(progress.unit[:40])}</div>"
        )
    parts += [_reason(record.reason), image(frame)]
    return _frame("".join(parts))


def pilot_html(record: PilotRecord) -> str:
    """A pilot: name, state and nodes."""
    wanted = f"{sum(node.state == 'running' for node in record.nodes)} of {record.nodes_wanted} nodes"
    parts = [_heading(record.name, f"pilot on {record.site}", record.state, wanted), _reason(record.reason)]
    if record.nodes:
        rows = "".join(
            f"<tr><td {_CELL}>{escape(node.name[:60])}</td><td {_CELL}>{_state(node.state)}</td>"
            f"<td {_CELL}>{escape(node.host[:60])}</td><td {_CELL}>{escape(node.reason[:120])}</td></tr>"
            for node in record.nodes[-_NODES:]
        )
        heads = "".join(f"<th {_CELL}>{name}</th>" for name in ("node", "state", "host", "reason"))
        parts.append(f'<table style="border:0"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>')
        if len(record.nodes) > _NODES:
            parts.append(f"<div>and {len(record.nodes) - _NODES} earlier ones</div>")
    return _frame("".join(parts))


def _frame(inside: str) -> str:
    return f'<div style="color:var(--jp-content-font-color1, inherit);line-height:1.5">{inside}</div>'


def _heading(name: str, what: str, state: str, more: str) -> str:
    return (
        f"<div><b>{escape(name)}</b> &nbsp; {escape(what[:120])} &nbsp; {_state(state)}"
        f"{f' &nbsp; {escape(more)}' if more else ''}</div>"
    )


def _state(state: str) -> str:
    return f"{_MARKS.get(state, '·')} {escape(state)}"


def _reason(reason: str) -> str:
    if not reason:
        return ""
    shown = reason if len(reason) <= _REASON else f"{reason[:_REASON]} …"
    return f'<div style="white-space:pre-wrap;opacity:.85">{escape(shown)}</div>'


def _lasted(record: RunRecord) -> str:
    begun: datetime = record.started or record.created
    lasted: timedelta = (record.ended or utcnow()) - begun
    return (
        f"{lasted.total_seconds():.1f} s" if lasted < timedelta(minutes=2) else str(timedelta(seconds=lasted.seconds))
    )
