"""Sites as small HTML: a table of what can be had where, and of the site files that can't be used."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilothouse.pilots.sites.listing import Sites

_CELL = 'style="text-align:left;padding:1px 12px 1px 0"'
#: The most rows: a page of HTML stays small.
_ROWS = 100


def sites_mimebundle(sites: Sites) -> dict[str, Any]:
    """The rich display of a list of sites."""
    return {"text/plain": repr(sites), "text/html": sites_html(sites)}


def sites_html(sites: Sites) -> str:
    """A row for each site and queue, with their limits."""
    rows = sites.rows()
    heads = "".join(f'<th scope="col" {_CELL}>{escape(column)}</th>' for column in rows[0])
    body = "".join(_row(row) for row in rows[:_ROWS])
    more = f"<div>and {len(rows) - _ROWS} more</div>" if len(rows) > _ROWS else ""
    broken = "".join(f'<div role="alert">✗ {escape(each.reason)}</div>' for each in sites.unreadable)
    return (
        '<div style="color:var(--jp-content-font-color1, inherit);line-height:1.5">'
        f'<table style="border:0"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{more}{broken}</div>'
    )


def _row(row: dict[str, str]) -> str:
    cells = "".join(
        f"<td {_CELL}>{f'<b>{escape(text[:200])}</b>' if column == 'site' else escape(text[:200])}</td>"
        for column, text in row.items()
    )
    return f"<tr>{cells}</tr>"
