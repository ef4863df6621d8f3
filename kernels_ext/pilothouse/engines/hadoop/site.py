"""A site's own YARN: the same client as of one that a pilot started, and no processes of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.engines.hadoop.cluster import Cluster
from pilothouse.engines.hadoop.conf_dir import conf_dir as said


class SiteYARN:
    """A YARN that somebody else runs.

    Parameters
    ----------
    conf_dir
        The folder of its configuration; that of ``$HADOOP_CONF_DIR`` where none is named.

    Attributes
    ----------
    conf_dir
        That folder.

    Raises
    ------
    InvalidInput
        The folder is none of YARN's.
    Unavailable
        Nothing answers, or it wants Kerberos's tickets.

    Examples
    --------
    >>> yarn = SiteYARN("/etc/hadoop/conf")  # doctest: +SKIP
    >>> yarn.client().queues()  # doctest: +SKIP
    """

    def __init__(self, conf_dir: str | Path = "") -> None:
        self.conf_dir = said(str(conf_dir)).absolute()
        self._cluster = Cluster.of(self.conf_dir)
        self._cluster.info()

    @property
    def address(self) -> str:
        """Where its ResourceManager answers."""
        return self._cluster.addresses[0]

    def client(self) -> Cluster:
        """Its nodes, queues and applications."""
        return Cluster.of(self.conf_dir)

    def metrics(self) -> Mapping[str, Any]:
        """Figures of the whole cluster, as YARN calls them."""
        return self._cluster.metrics()
