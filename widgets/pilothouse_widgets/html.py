"""Pilots and runs as small HTML: escaped, without scripts, in the colours of the page around it."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING

from pilothouse.state import utcnow
from pilothouse.tables import html_table
from pilothouse_widgets.picture import CHARTS, image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pilothouse.engines.shown import ShownService
    from pilothouse.registry.records import NodeRecord, PilotRecord, RunRecord
    from pilothouse.telemetry import Frame

#: A mark for each state: colour alone would not reach everybody.
_MARKS = {
    "pending": "◌", "starting": "◔", "running": "●", "draining": "◕", "stopping": "◕",
    "finished": "✓", "failed": "✗", "lost": "?",
}  # fmt: skip

#: The most characters of a reason, and the most nodes in a table: a page of HTML stays below 10 kB.
_REASON, _NODES = 600, 10
#: The same of services: members, characters of a cell and of the address, and charts.
_MEMBERS, _CELL, _ADDRESS, _CHARTS = 6, 80, 200, 4


def run_html(record: RunRecord, frame: Frame, service: ShownService | None = None) -> str:
    """A run: name, state, progress and a picture of its telemetry; of a service its address and members, too."""
    parts = [_heading(record.name, f"{record.what} on {record.pilot}", record.state, _lasted(record))]
    progress = record.progress
    if progress is not None and progress.total > 0:
        parts.append(
            f'<div><progress max="1" value="{min(progress.done / progress.total, 1):.4f}"></progress> '
            f"{progress.done:g} of {progress.total:g} {escape(progress.unit[:40])}</div>"
        )
    parts.append(_reason(record.reason))
    if service is not None:
        parts += _service(service)
    parts.append(image(frame, _CHARTS if service is not None else CHARTS))
    return _frame("".join(parts))


def _service(service: ShownService) -> list[str]:
    """Where it is, and the latest of its members."""
    parts = [f"<div>address: <code>{escape(service.address[:_ADDRESS])}</code></div>"] if service.address else []
    head, *rows = service.table
    if rows:
        parts.append(html_table(head, [tuple(text[:_CELL] for text in row) for row in rows[-_MEMBERS:]]))
    if len(rows) > _MEMBERS:
        parts.append(f"<div>and {len(rows) - _MEMBERS} earlier ones</div>")
    return parts


def pilot_html(record: PilotRecord, cost: Mapping[str, float] | None = None) -> str:
    """A pilot: name, state, nodes with what the batch system says of them, and `cost` in hours."""
    wanted = f"{sum(node.state == 'running' for node in record.nodes)} of {record.nodes_wanted} nodes"
    if record.adapt is not None:
        wanted += f", following the load from {record.adapt.minimum} to {record.adapt.maximum}"
    parts = [_heading(record.name, f"pilot on {record.site}", record.state, wanted), _reason(record.reason)]
    parts += [_reason(f"not recovered: {line}") for line in record.not_recovered[:5]]
    if record.nodes:
        columns = _columns(record)
        parts.append(html_table(columns, list(zip(*columns.values(), strict=True))))
        if len(record.nodes) > _NODES:
            parts.append(f"<div>and {len(record.nodes) - _NODES} earlier ones</div>")
    if cost is not None and cost["node_hours"] + cost["queue_hours"] > 0:
        gpus = f", {cost['gpu_hours']:.2f} GPU-hours" if cost["gpu_hours"] else ""
        parts.append(
            f'<div style="opacity:.85">{cost["node_hours"]:.2f} node-hours, {cost["core_hours"]:.2f} core-hours'
            f"{gpus}; {cost['queue_hours']:.2f} hours in the queue</div>"
        )
    return _frame("".join(parts))


def _columns(record: PilotRecord) -> dict[str, list[str]]:
    """The table of the latest nodes: head -> text of each; columns that nothing is in are left out."""
    nodes = record.nodes[-_NODES:]
    columns = {
        "node": [node.name[:60] for node in nodes],
        "kind": [node.kind[:20] for node in nodes] if len(record.wanted) > 1 else [],
        "state": [_state(node.state) for node in nodes],
        "job": [node.job[:20] for node in nodes] if record.site != "local" else [],
        "host": [node.host[:60] for node in nodes],
        "start": [_expected(node) for node in nodes],
        "left": [_left(node) for node in nodes],
        "reason": [node.reason[:120] for node in nodes],
    }
    return {name: texts for name, texts in columns.items() if any(texts)}


def _expected(node: NodeRecord) -> str:
    start = node.expected_start
    return "" if start is None or node.state != "pending" else f"expected {start:%b %d %H:%M} UTC"


def _left(node: NodeRecord) -> str:
    left = node.time_left
    return "" if left is None or node.state != "running" else str(timedelta(seconds=int(left)))


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
