"""Spark on a YARN: the driver is in this process, application master and executors are containers.

YARN hands the secret of each application to its containers itself. The application's page stays closed: only YARN's own
proxy could show it, and that brings no token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pilothouse.engines.hadoop.cluster import Node
from pilothouse.engines.spark.clusters import JVM, MIB, Cluster
from pilothouse.errors import InvalidInput, Unavailable

#: Bytes of an executor's heap, and of the application master's, where nothing else is said: Spark's own.
EXECUTOR, MASTER = 1024 * MIB, 512 * MIB
#: What a container has beside the heap: so many bytes at least, or this share of it (Spark's own).
BESIDE, SHARE = 384 * MIB, 0.1
_UNITS = {"k": 1 << 10, "m": MIB, "": MIB, "g": 1 << 30, "t": 1 << 40}


def on_yarn(
    name: str,
    created: datetime,
    address: str,
    conf_dir: Path,
    node: Mapping[str, str],
    *,
    executors: int | None = None,
    staging: str = "",
) -> Cluster:
    """What sessions need to know of Spark on a YARN.

    Parameters
    ----------
    node
        From :func:`pilothouse.engines.spark.install.here` on a node.
    executors
        How many there are where a session says nothing; Spark's own number where None.
    staging
        URL of a folder for what an application's containers get; that of the user in YARN's file system where empty.

    Raises
    ------
    Unavailable
        The nodes have no pyspark.
    """
    if not node["spark"]:
        raise Unavailable(
            f"the nodes of {name!r} have no pyspark of which Spark could be started: "
            f'pip install "pilothouse[spark]" for {node["interpreter"]}'
        )
    own = {
        "spark.master": "yarn", "spark.submit.deployMode": "client",
        # Else all of Spark's jars are copied for each application.
        "spark.yarn.jars": f"local:{node['spark_home']}/jars/*",
        "spark.authenticate": "true", "spark.network.crypto.enabled": "true", "spark.ui.enabled": "false",
        # One that could not be started is said at once, and not tried again.
        "spark.yarn.maxAppAttempts": "1", "spark.yarn.am.extraJavaOptions": JVM,
    }  # fmt: skip
    conf = {"spark.yarn.stagingDir": staging} if staging else {}
    if executors is not None:
        conf["spark.executor.instances"] = str(executors)
    return Cluster(
        name=name, created=created, address=address, spark=node["spark"], python=node["python"],
        interpreter=node["interpreter"], memory=EXECUTOR, own=own, conf=conf,
        environment={"HADOOP_CONF_DIR": str(conf_dir), "YARN_CONF_DIR": str(conf_dir)},
    )  # fmt: skip


def check_fits(nodes: Sequence[Node], conf: Mapping[str, object]) -> None:
    """Refuse containers that no node could ever have: YARN would let their application wait without end.

    Raises
    ------
    InvalidInput
        An executor, or the application master, is larger than all nodes.
    Unavailable
        There are no nodes.
    """
    there = [node.has for node in nodes if node.state == "RUNNING"]
    if not there:
        raise Unavailable("YARN has no node that takes containers at the moment")
    largest = max(has.memory for has in there)
    for field, least in (("spark.executor.memory", EXECUTOR), ("spark.yarn.am.memory", MASTER)):
        heap = _bytes(conf[field], field) if field in conf else least
        whole = heap + max(BESIDE, int(SHARE * heap))
        if whole > largest:
            raise InvalidInput(
                f"{field}: with a heap of {heap // MIB} MiB its container needs {whole // MIB} MiB, and the largest "
                f"node of this YARN has {largest // MIB} MiB; give {field} less",
                field="conf",
            )
    cores, most = str(conf.get("spark.executor.cores", "1")), max(has.cores for has in there)
    if cores.isdecimal() and int(cores) > most:
        raise InvalidInput(
            f"spark.executor.cores={cores}: the largest node of this YARN has {most} cores", field="conf"
        )


def _bytes(value: object, field: str) -> int:
    """As Spark reads sizes of memory: ``512m``, ``2g``; MiB without a unit."""
    found = re.fullmatch(r"(\d+)([kmgt]?)b?", str(value).strip().lower())
    if found is None:
        raise InvalidInput(f"{field}={value!r}: a size such as 512m or 2g", field="conf")
    return int(found[1]) * _UNITS[found[2]]
