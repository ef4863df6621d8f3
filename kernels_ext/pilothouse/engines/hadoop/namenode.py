"""What a NameNode says of itself, over HTTP: its state, its DataNodes."""

from __future__ import annotations

import json
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import quote

PATIENCE_S = 5.0
#: Nobody's proxy is between the nodes of a pilot.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class DataNode(NamedTuple):
    """A DataNode as its NameNode sees it.

    Attributes
    ----------
    state
        ``In Service``, ``Decommission In Progress`` or ``Decommissioned``.
    blocks
        How many it has.
    """

    address: str
    state: str
    blocks: int


def bean(web: str, name: str) -> dict[str, Any]:
    """The figures ``Hadoop:{name}`` of the daemon whose pages are at `web` (``host:port``).

    Raises
    ------
    OSError
        It does not answer.
    LookupError
        It has no such figures yet.
    """
    url = f"http://{web}/jmx?qry={quote(f'Hadoop:{name}', safe=':=,')}"
    with _direct.open(url, timeout=PATIENCE_S) as answer:
        found: dict[str, Any] = json.load(answer)["beans"][0]
    return found


def state(web: str) -> dict[str, Any]:
    """A NameNode's ``FSNamesystemState``."""
    return bean(web, "service=NameNode,name=FSNamesystemState")


def system(web: str) -> dict[str, Any]:
    """A NameNode's ``FSNamesystem``."""
    return bean(web, "service=NameNode,name=FSNamesystem")


def datanodes(web: str) -> dict[str, DataNode]:
    """The DataNodes that are alive, by the address for data (``host:port``)."""
    live = json.loads(bean(web, "service=NameNode,name=NameNodeInfo")["LiveNodes"])
    return {
        each["xferaddr"]: DataNode(each["xferaddr"], each["adminState"], int(each["numBlocks"]))
        for each in live.values()
    }
