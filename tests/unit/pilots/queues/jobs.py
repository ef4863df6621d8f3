"""Jobs for tests of what a batch system is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilothouse.pilots.queues.protocols import Job
from pilothouse.pilots.sites.description import PilotDescription
from pilothouse.pilots.sites.site import Site
from pilothouse.registry.naming import tag


def job(system: str, folder: Path, *, after: str = "", **fields: Any) -> Job:
    """A job whose log has a space in its path."""
    site = Site(name=system.partition(":")[0], system=system)
    description = PilotDescription.model_validate({"site": site.name, **fields})
    return Job(
        name="p-1", tag=tag("p-1"), command=["/bin/true"], log=folder / "my pilots" / "p-1.log",
        description=description, kind=description.kind(), site=site, after=after,
    )  # fmt: skip
