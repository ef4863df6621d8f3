"""Lists of sites, with the site files that can't be used: what ``ph.sites()`` returns and shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pilothouse.pictures import mimebundle
from pilothouse.pilots.sites.check import shown
from pilothouse.pilots.sites.files import BrokenFile
from pilothouse.pilots.sites.site import QueueLimits, Site
from pilothouse.tables import text_table

#: What a table of sites says of each site and queue.
COLUMNS = ("site", "queue", "nodes", "cores", "memory", "gpus", "walltime", "about")
#: The most characters of a trouble in a table.
_MOST = 120


class Sites(list[Site]):
    """A list of sites.

    Attributes
    ----------
    unreadable
        Site files, and tables of them, that can't be used, with path and reason. They are shown, never deleted.
    """

    def __init__(self, sites: Iterable[Site], unreadable: Iterable[BrokenFile] = ()) -> None:
        super().__init__(sites)
        self.unreadable = list(unreadable)

    def rows(self) -> list[dict[str, str]]:
        """Text by :data:`COLUMNS`: a row for each site, and one for each of its queues."""
        found = []
        for site in self:
            accounts = f"accounts: {', '.join(site.accounts)}" if site.accounts else ""
            trouble = f"unavailable: {_line(site.trouble)}" if site.trouble else ""
            several = f"{site.nodes_per_job} nodes a job" if site.nodes_per_job > 1 else ""
            about = trouble or "; ".join(filter(None, [site.title, accounts, several]))
            found.append({"site": site.name, "queue": "", **_limits(site), "about": about})
            found += [
                {"site": "", "queue": queue.name, **_limits(queue), "about": _of_queue(queue)} for queue in site.queues
            ]
        return found

    def __repr__(self) -> str:
        table = text_table([COLUMNS, *([row[column] for column in COLUMNS] for row in self.rows())])
        return "\n".join([table, *(f"unreadable: {each.reason}" for each in self.unreadable)])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The same as HTML, where the widgets are installed."""
        return mimebundle("sites_mimebundle", self, text=repr(self))


def _line(text: str) -> str:
    """As much of `text` as a table has room for; the site has it whole."""
    words = " ".join(text.split())
    return words if len(words) <= _MOST else f"{words[:_MOST]} …"


def _limits(limits: Site | QueueLimits) -> dict[str, str]:
    values = {field: getattr(limits, field) for field in ("nodes", "cores", "memory", "gpus", "walltime")}
    return {field: "" if value is None else shown(field, value) for field, value in values.items()}


def _of_queue(queue: QueueLimits) -> str:
    notes = [
        "default" if queue.default else "",
        "" if queue.available else "takes no jobs now",
        f"features: {', '.join(queue.features)}" if queue.features else "",
    ]
    return "; ".join(filter(None, notes))
