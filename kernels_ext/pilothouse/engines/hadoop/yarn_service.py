"""The handle of a YARN: its ResourceManager asked and told, and its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.engines.service import Service

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.cluster import Cluster


class YARNService(Service):
    """A YARN.

    Examples
    --------
    >>> yarn = pilot.start("yarn", nodes=2)  # doctest: +SKIP
    >>> [node.has for node in yarn.client().nodes()]  # doctest: +SKIP
    """

    @property
    def conf_dir(self) -> Path:
        """A folder of configuration: ``HADOOP_CONF_DIR`` of Hadoop's and Spark's programs, ``conf_dir`` of sites."""
        return Path(self._told("conf_dir"))

    def client(self) -> Cluster:
        """Its nodes, queues and applications, by the ResourceManager's REST interface."""
        from pilothouse.engines.hadoop.cluster import Cluster

        return Cluster([self.address])

    def _told(self, what: str) -> Any:
        self._serving()
        return next(member[what] for member in self.members if what in member)
