"""A site's own HDFS and YARN: the same clients as of those that a pilot started, and no processes of ours."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pilothouse.engines.hadoop import name_nodes, namenode
from pilothouse.engines.hadoop.cluster import Cluster
from pilothouse.engines.hadoop.conf_dir import conf_dir as said
from pilothouse.errors import Unavailable

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.filesystem import HDFSFileSystem

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


class SiteHDFS:
    """An HDFS that somebody else runs.

    Parameters
    ----------
    conf_dir
        The folder of its configuration; that of ``$HADOOP_CONF_DIR`` where none is named.
    ca_file
        Certificates that those of its daemons are signed with, where they have some that the system does not know.

    Attributes
    ----------
    conf_dir
        That folder.
    address
        Its file system as programs of Hadoop and Spark name it: ``hdfs://host:port``, or ``hdfs://service`` where the
        NameNodes have a name in common.

    Raises
    ------
    InvalidInput
        The folder is none of an HDFS's.
    Unavailable
        No NameNode answers, none is active, or they want Kerberos's tickets.

    Examples
    --------
    >>> hdfs = SiteHDFS("/etc/hadoop/conf")  # doctest: +SKIP
    >>> hdfs.client().ls("/user")  # doctest: +SKIP
    """

    def __init__(self, conf_dir: str | Path = "", *, ca_file: str | Path | None = None) -> None:
        self.conf_dir = said(str(conf_dir), "core-site.xml").absolute()
        self._ca_file = name_nodes.certificates(ca_file)
        self._context = namenode.context(self._ca_file)
        self.address, self._pages = name_nodes.of(self.conf_dir)
        self._user = os.environ.get("HADOOP_USER_NAME", "") or getpass.getuser()
        name_nodes.active(self._pages, self._user, self._context)

    @property
    def web(self) -> str:
        """The URL of the NameNode that serves now.

        Raises
        ------
        Unavailable
            There is none.
        """
        return name_nodes.active(self._pages, self._user, self._context)

    def client(self) -> HDFSFileSystem:
        """Its files, as an fsspec file system over WebHDFS, in the name of ``$HADOOP_USER_NAME`` or your own.

        When another NameNode takes over, it asks that one.
        """
        from pilothouse.engines.hadoop.filesystem import HDFSFileSystem

        at = urlsplit(self.web)
        others = tuple(page for page in self._pages if page != at.geturl())
        return HDFSFileSystem(
            host=at.hostname or "", port=at.port, user=self._user, use_https=at.scheme == "https", others=others,
            session_verify=self._ca_file or True,
        )  # fmt: skip

    def metrics(self) -> Mapping[str, float]:
        """Figures of the whole file system, by the names that a service's have.

        Raises
        ------
        Unavailable
            Its NameNode does not tell them.
        """
        web = self.web
        try:
            return namenode.figures(web, self._context)
        except (OSError, LookupError, ValueError) as error:
            raise Unavailable(f"{web}/jmx does not tell the NameNode's figures: {error}") from None

    def __repr__(self) -> str:
        return f"<SiteHDFS {self.address}>"
