"""Which sites there are from here: this computer, the batch system of this host, and what site files say."""

from __future__ import annotations

import contextlib
import os
import shutil

from pydantic import ByteSize

from pilothouse.errors import InvalidInput, PilothouseError
from pilothouse.pilots.blocking import blocking
from pilothouse.pilots.description import PilotDescription, check
from pilothouse.pilots.queues import queue_for
from pilothouse.pilots.site import Site

#: Emulated nodes of one computer share its cores; past this many they only get in each other's way.
LOCAL_NODES = 64
#: Command of a batch system -> the batch system.
COMMANDS = {"sinfo": "slurm", "qhost": "gridengine", "oarnodes": "oar"}


def sites() -> list[Site]:
    """What can be allocated from here, and its limits."""
    return [local_site(), *_found()]


def _found() -> list[Site]:
    """The batch systems whose commands this host has."""
    found = []
    for command, system in COMMANDS.items():
        if shutil.which(command):
            site = Site(name=system, system=system)
            with contextlib.suppress(PilothouseError):
                found.append(site.model_copy(update={"queues": blocking(queue_for(site).limits())}))
    return found


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
    # Batch systems are asked only for their own sites: some take a second to answer.
    there = [local_site()] if description.site == "local" else sites()
    found = {site.name: site for site in there}
    if description.site not in found:
        raise InvalidInput(
            f"site={description.site!r}: there is no such site; there are {', '.join(map(repr, found))}", field="site"
        )
    site = found[description.site]
    return site.check(description), site
