"""The handle of a YARN: its ResourceManager asked and told, and its configuration."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pilothouse.engines.service import Service

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pilothouse.engines.hadoop.cluster import Cluster

#: In the run's folder: where Spark puts what an application's containers get. That of killed ones is left there.
STAGING = "spark"


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

    def spark(self, conf: Mapping[str, Any] | None = None, *, kafka: bool = False) -> SparkSession:
        """A session of Spark whose driver is in this process, and whose executors are containers of this YARN.

        The same one each time, until ``.stop()`` of it or of the service. It has an executor a node, unless
        ``spark.executor.instances`` says otherwise.

        Parameters
        ----------
        conf
            Spark's own properties, such as ``{"spark.executor.memory": "2g", "spark.yarn.queue": "default"}``.
        kafka
            As for :meth:`pilothouse.engines.spark.service.SparkService.client`.

        Raises
        ------
        Conflict
            This process has a session of something else, or one with other properties: the message says how to end it.
        Unavailable
            pyspark or Java is not there, here or on the nodes; or versions differ.
        InvalidInput
            A property is none of Spark's, or is not for users to set; or no node could have such a container.

        Examples
        --------
        >>> spark = yarn.spark({"spark.executor.memory": "512m"})  # doctest: +SKIP
        """
        from pilothouse.engines.spark import session
        from pilothouse.engines.spark.yarn import check_fits, on_yarn

        running = [node for node in self.client().nodes() if node.state == "RUNNING"]
        check_fits(running, conf or {})
        node = {name: self._told(name) for name in ("spark", "spark_home", "python", "interpreter")}
        # Without a file system of its own, what containers get is in the run's folder, which nodes share.
        staging = "" if self.settings["hdfs"] else (self.folder / STAGING).as_uri()
        there = on_yarn(
            self.name, self._created, self.address, self.conf_dir, node, executors=len(running), staging=staging
        )
        return session.opened(there, conf or {}, kafka=kafka)

    def stop(self, timeout: float = 15.0) -> Self:
        """End it, and the session of Spark that this process has with it."""
        from pilothouse.engines.spark import session

        session.close(self.name, self._created)
        super().stop(timeout)
        shutil.rmtree(self.folder / STAGING, ignore_errors=True)
        return self

    def _told(self, what: str) -> Any:
        self._serving()
        return next(member[what] for member in self.members if what in member)
