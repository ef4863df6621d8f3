"""The handle of an HDFS: its file system, as fsspec has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.engines.service import Service

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.filesystem import HDFSFileSystem


class HDFSService(Service):
    """An HDFS.

    Examples
    --------
    >>> hdfs = pilot.start("hdfs", nodes=2)  # doctest: +SKIP
    >>> files = hdfs.client()  # doctest: +SKIP
    >>> files.put("trajectory.xtc", "/data/trajectory.xtc")  # doctest: +SKIP
    """

    @property
    def web(self) -> str:
        """``host:port`` of its REST interface, WebHDFS."""
        return str(self._told("web"))

    @property
    def conf_dir(self) -> Path:
        """A folder with ``core-site.xml`` and ``hdfs-site.xml``: Hadoop's and Spark's programs, ``HADOOP_CONF_DIR``."""
        return Path(self._told("conf_dir"))

    def client(self) -> HDFSFileSystem:
        """Its files, as an fsspec file system over WebHDFS, in the name of the pilot's owner.

        ``put``, ``get``, ``pipe`` and ``cat`` move whole files in one stream, and so does what is written through
        ``open``; what is read through it comes in blocks of 64 MiB.
        """
        from pilothouse.engines.hadoop.filesystem import HDFSFileSystem

        host, _, port = self.web.rpartition(":")
        return HDFSFileSystem(host=host, port=int(port), user=str(self._told("user")))

    def _told(self, what: str) -> Any:
        self._serving()
        return next(member[what] for member in self.members if what in member)
