"""Where pilots can be had. ``local``, this computer, always exists."""

from __future__ import annotations

import os

from pydantic import BaseModel, ByteSize, Field

from pilothouse.errors import InvalidInput
from pilothouse.pilots.description import PilotDescription, check

#: Emulated nodes of one computer share its cores; past this many they only get in each other's way.
LOCAL_NODES = 64


class Site(BaseModel):
    """A batch system with its limits."""

    name: str
    queue: str = Field(description="the batch system: 'local' starts processes of this computer")
    nodes: int = Field(description="the most nodes of a pilot")
    cores: int = Field(description="the most cores of a node")
    memory: ByteSize = Field(description="the most memory of a node")

    def check(self, description: PilotDescription) -> PilotDescription:
        """`description` with its defaults filled in, or :class:`InvalidInput` naming the field and the limit."""
        for field, limit in (("nodes", self.nodes), ("cores", self.cores)):
            if (value := getattr(description, field)) > limit:
                raise InvalidInput(f"{field}={value}: site {self.name!r} has at most {limit}", field=field)
        if description.memory is None:
            share = self.memory // max(description.nodes, 2)
            return description.model_copy(update={"memory": ByteSize(share)})
        if description.memory > self.memory:
            raise InvalidInput(
                f"memory={description.memory.human_readable()}: a node of site {self.name!r} has at most "
                f"{self.memory.human_readable()}",
                field="memory",
            )
        if description.memory < 64 * 2**20:
            raise InvalidInput(
                f"memory={description.memory.human_readable()}: a Dask worker needs at least 64 MiB", field="memory"
            )
        return description


def sites() -> list[Site]:
    """What can be allocated from here, and its limits."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [Site(name="local", queue="local", nodes=LOCAL_NODES, cores=os.cpu_count() or 1, memory=ByteSize(memory))]


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
