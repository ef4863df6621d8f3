"""What a NameNode says of itself, over HTTP: its state, its DataNodes."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import quote

PATIENCE_S = 5.0
#: Figures of a file system, by what the NameNode calls them.
_FIGURES = {
    "disk_used": "CapacityUsed", "disk_free": "CapacityRemaining", "files": "FilesTotal", "blocks": "BlocksTotal",
    "blocks_under_replicated": "UnderReplicatedBlocks", "blocks_missing": "MissingBlocks",
    "datanodes": "NumLiveDataNodes",
}  # fmt: skip


def context(ca_file: str = "") -> ssl.SSLContext:
    """Whose certificates are believed: those that the system knows, and those of a file."""
    known = ssl.create_default_context()
    if ca_file:
        known.load_verify_locations(ca_file)
    return known


def opener(context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """What asks without a proxy: nobody's is between the nodes of a cluster."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


_direct = opener()


class DataNode(NamedTuple):
    """A DataNode as its NameNode sees it.

    Attributes
    ----------
    address, web
        Where it is for data, and over HTTP: ``host:port``.
    secure_web
        Where it is over HTTPS; empty where it is not.
    state
        ``In Service``, ``Decommission In Progress`` or ``Decommissioned``.
    blocks
        How many it has.
    """

    address: str
    web: str
    state: str
    blocks: int
    secure_web: str = ""


def bean(web: str, name: str, context: ssl.SSLContext | None = None) -> dict[str, Any]:
    """The figures ``Hadoop:{name}`` of the daemon whose pages are at `web`: ``host:port``, or a URL.

    Raises
    ------
    OSError
        It does not answer.
    LookupError
        It has no such figures yet.
    """
    url = f"{web if '://' in web else f'http://{web}'}/jmx?qry={quote(f'Hadoop:{name}', safe=':=,')}"
    with (opener(context) if context else _direct).open(url, timeout=PATIENCE_S) as answer:
        found: dict[str, Any] = json.load(answer)["beans"][0]
    return found


def state(web: str) -> dict[str, Any]:
    """A NameNode's ``FSNamesystemState``."""
    return bean(web, "service=NameNode,name=FSNamesystemState")


def system(web: str, context: ssl.SSLContext | None = None) -> dict[str, Any]:
    """A NameNode's ``FSNamesystem``."""
    return bean(web, "service=NameNode,name=FSNamesystem", context)


def in_service(web: str) -> int:
    """How many DataNodes a NameNode reckons with: also one that has just expired, until copies of its blocks lack."""
    of_storages = bean(web, "service=NameNode,name=BlockStats")["StorageTypeStats"]
    return max((int(each["value"]["nodesInService"]) for each in of_storages), default=0)


def figures(web: str, context: ssl.SSLContext | None = None) -> dict[str, float]:
    """Of the whole file system: bytes, files, blocks, and how many DataNodes it has."""
    whole = system(web, context)
    return {name: float(whole[key]) for name, key in _FIGURES.items()}


def datanodes(web: str, context: ssl.SSLContext | None = None) -> dict[str, DataNode]:
    """The DataNodes that are alive, by the address for data (``host:port``)."""
    live = json.loads(bean(web, "service=NameNode,name=NameNodeInfo", context)["LiveNodes"])
    return {
        each["xferaddr"]: DataNode(
            each["xferaddr"], each["infoAddr"], each["adminState"], int(each["numBlocks"]), each["infoSecureAddr"]
        )
        for each in live.values()
    }
