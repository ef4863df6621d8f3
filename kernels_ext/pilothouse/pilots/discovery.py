"""Which sites there are from here: this computer, the batch system of this host, and what site files say."""

from __future__ import annotations

import os

from pydantic import ByteSize

from pilothouse.errors import InvalidInput
from pilothouse.pilots.description import PilotDescription, check
from pilothouse.pilots.site import Site

#: Emulated nodes of one computer share its cores; past this many they only get in each other's way.
LOCAL_NODES = 64


def sites() -> list[Site]:
    """What can be allocated from here, and its limits."""
    return [local_site()]


def local_site() -> Site:
    """The site that always exists: this computer."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Site(
        name="local",
        system="local",
        title="This computer",
        nodes=LOCAL_NODES,
        cores=os.cpu_count() or 1,
        memory=ByteSize(memory),
        patience=0.0,
    )


def describe(**values: object) -> tuple[PilotDescription, Site]:
    """A description checked against its site; :class:`InvalidInput` before anything is started."""
    description: PilotDescription = check(PilotDescription, values)
    found = {site.name: site for site in sites()}
    if description.site not in found:
        raise InvalidInput(
            f"site={description.site!r}: there is no such site; there are {', '.join(map(repr, found))}", field="site"
        )
    site = found[description.site]
    return site.check(description), site
