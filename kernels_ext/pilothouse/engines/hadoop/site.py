"""A site's own YARN: the same client as of one that a pilot started, and no processes of ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.engines.hadoop.cluster import Cluster
from pilothouse.engines.hadoop.conf_dir import conf_dir as said

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: A site's cluster was there before us.
BEGINNING = datetime.fromtimestamp(0, UTC)


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

    def spark(
        self, conf: Mapping[str, Any] | None = None, *, kafka: bool = False, python: str = sys.executable
    ) -> SparkSession:
        """A session of Spark whose driver is in this process, and whose executors are containers.

        As :meth:`pilothouse.engines.hadoop.yarn_service.YARNService.spark`, which see; with as many executors as
        ``spark.executor.instances`` says (Spark's own number is 2). Nodes have to have pyspark, and Java 17, where
        this host has them: on a file system that they share.

        Parameters
        ----------
        python
            The interpreter on the nodes; its minor version has to be this one's.

        Raises
        ------
        Conflict, Unavailable, InvalidInput
            As there.
        """
        from pilothouse.engines.spark import install, session
        from pilothouse.engines.spark.yarn import check_fits, on_yarn

        check_fits(self._cluster.nodes(), conf or {})
        node = {**install.here(), "interpreter": python}
        there = on_yarn(f"the YARN at {self.address}", BEGINNING, self.address, self.conf_dir, node)
        return session.opened(there, conf or {}, kafka=kafka)

    def metrics(self) -> Mapping[str, Any]:
        """Figures of the whole cluster, as YARN calls them."""
        return self._cluster.metrics()
