"""Sites as small HTML: a table of what can be had where, and of the site files that can't be used."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from pilothouse.tables import html_table

if TYPE_CHECKING:
    from pilothouse.pilots.sites.listing import Sites

#: The most rows: a page of HTML stays small.
_ROWS = 100


def sites_mimebundle(sites: Sites) -> dict[str, Any]:
    """The rich display of a list of sites."""
    return {"text/plain": repr(sites), "text/html": sites_html(sites)}


def sites_html(sites: Sites) -> str:
    """A row for each site and queue, with their limits."""
    rows = sites.rows()
    table = html_table(rows[0], [[text[:200] for text in row.values()] for row in rows[:_ROWS]])
    more = f"<div>and {len(rows) - _ROWS} more</div>" if len(rows) > _ROWS else ""
    broken = "".join(f'<div role="alert">✗ {escape(each.reason)}</div>' for each in sites.unreadable)
    return f'<div style="color:var(--jp-content-font-color1, inherit);line-height:1.5">{table}{more}{broken}</div>'
