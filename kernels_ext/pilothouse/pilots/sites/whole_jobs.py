"""Sites where a job has several nodes: which can have that, and which numbers of nodes there are whole jobs."""

from __future__ import annotations

from pilothouse.errors import InvalidInput
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.records import FIRST

#: Batch systems of which it is known how a job starts a process on each of its hosts.
SYSTEMS = ("slurm", "pbs", "gridengine")


def check_whole_jobs(description: PilotDescription, site: Site) -> None:
    """Hold `description` to what a job of several nodes can be at `site`.

    Raises
    ------
    InvalidInput
        Naming the field, the value and what would be right.
    """
    size = site.nodes_per_job
    if size == 1:
        return
    said = f"nodes_per_job={size} of site {site.name!r}"
    if site.system not in SYSTEMS:
        raise InvalidInput(
            f"{said}: on {site.system} a job is one node; several are for {', '.join(SYSTEMS)}: leave the key out",
            field="nodes_per_job",
        )
    if (description.placement or site.placement) == "job":
        raise InvalidInput(
            f"placement='job': {said} leaves no job to a supervisor and one node: take placement='login', or a site "
            "without that key",
            field="placement",
        )
    for kind, nodes in description.wanted().items():
        check_whole(nodes, site, "nodes" if kind == FIRST else f"kinds.{kind}.nodes", 1 if kind == FIRST else 0)


def check_whole(nodes: int, site: Site, field: str, least: int) -> None:
    """:class:`InvalidInput` when so many nodes are not whole jobs of `site`, with the nearest that are.

    Parameters
    ----------
    least
        The fewest nodes that `field` may be.
    """
    size = site.nodes_per_job
    if nodes % size == 0:
        return
    below = nodes // size * size
    most = site.nodes or below + size
    near = [str(number) for number in (below, below + size) if least <= number <= most]
    remedy = f"take {' or '.join(near)}" if near else f"and a pilot has at most {most} nodes there"
    raise InvalidInput(f"{field}={nodes}: at site {site.name!r} a job has {size} nodes: {remedy}", field=field)


def whole(nodes: int, site: Site) -> int:
    """The fewest whole jobs that have so many nodes, in nodes."""
    return -(-nodes // site.nodes_per_job) * site.nodes_per_job
