"""Batch systems, one file each, behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilothouse.errors import InvalidInput
from pilothouse.installed import entry_points
from pilothouse.pilots.sites.site import DASK

if TYPE_CHECKING:
    from pilothouse.pilots.queues.protocols import Queue
    from pilothouse.pilots.sites.site import Site


def queue_for(site: Site) -> Queue:
    """The batch system of `site`; what follows a colon in its name is for that one to understand.

    Raises
    ------
    InvalidInput
        Nothing installed knows it.
    """
    if site.system == DASK:  # of attached clusters alone: nothing registers it, so no site file can name it
        from pilothouse.pilots.queues.dask import DaskQueue

        return DaskQueue(site)
    for point in entry_points(group="pilothouse.queues", name=site.system.partition(":")[0]):
        queue: Queue = point.load()(site)
        return queue
    known = sorted({"local", *(point.name for point in entry_points(group="pilothouse.queues"))})
    raise InvalidInput(
        f"system={site.system!r} of site {site.name!r}: nothing installed knows it; there are {', '.join(known)}",
        field="system",
    )
