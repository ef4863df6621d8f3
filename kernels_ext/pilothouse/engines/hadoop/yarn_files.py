"""What the configuration files of a YARN in a pilot say: of the ResourceManager, of NodeManagers, and to clients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pilothouse.engines.hadoop.configuration import write, write_logging
from pilothouse.remains import MARK

MIB = 1 << 20
#: Roles: the first has a NodeManager too.
MANAGER, NODE = "resourcemanager", "nodemanager"
#: Of a ResourceManager's scratch: what it knows of applications.
APPLICATIONS = "applications"
#: Ports of the two kinds of daemons, by what Hadoop calls them.
MANAGER_PORTS = {
    "rm-clients": "address", "rm-scheduler": "scheduler.address", "rm-tracker": "resource-tracker.address",
    "rm-admin": "admin.address", "rm-web": "webapp.address",
}  # fmt: skip
NODE_PORTS = {
    "nm": "address", "nm-localizer": "localizer.address", "nm-web": "webapp.address",
    "nm-collector": "collector-service.address",
}  # fmt: skip
#: What containers have of their NodeManager's environment: Hadoop's own list, where Python finds this library, and what
#: processes of this node are known by.
_INHERITED = (
    "JAVA_HOME,HADOOP_COMMON_HOME,HADOOP_HDFS_HOME,HADOOP_CONF_DIR,CLASSPATH_PREPEND_DISTCACHE,HADOOP_YARN_HOME,"
    f"HADOOP_HOME,PATH,LANG,TZ,PYTHONPATH,{MARK}"
)


def core(hdfs: str, temporary: Path) -> dict[str, object]:
    """``core-site.xml``."""
    return {
        "fs.defaultFS": hdfs or "file:///",
        "hadoop.tmp.dir": temporary,
        "hadoop.security.authentication": "simple",
        # A NodeManager that starts before its ResourceManager asks often.
        "ipc.client.connect.retry.interval": 100,
    }


def manager(host: str, ports: Mapping[str, int]) -> dict[str, object]:
    """Where the ResourceManager is: of all files."""
    found: dict[str, object] = {"yarn.resourcemanager.hostname": host}
    return found | {f"yarn.resourcemanager.{key}": f"{host}:{ports[name]}" for name, key in MANAGER_PORTS.items()}


def scheduling(settings: Mapping[str, Any], memory: int, cores: int, scratch: Path) -> dict[str, object]:
    """What the ResourceManager does.

    Parameters
    ----------
    memory, cores
        Of the largest node that may come.
    """
    return {
        "yarn.scheduler.minimum-allocation-mb": settings["least_memory"] // MIB,
        "yarn.scheduler.maximum-allocation-mb": memory // MIB,
        "yarn.scheduler.maximum-allocation-vcores": cores,
        # Each heartbeat of a node may start containers.
        "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 200,
        "yarn.nm.liveness-monitor.expiry-interval-ms": 20_000,
        "yarn.resourcemanager.nm.liveness-monitor.interval-ms": 1000,
        # Applications outlive a ResourceManager that is started again.
        "yarn.resourcemanager.recovery.enabled": True,
        "yarn.resourcemanager.store.class": (
            "org.apache.hadoop.yarn.server.resourcemanager.recovery.FileSystemRMStateStore"
        ),
        "yarn.resourcemanager.fs.state-store.uri": f"file://{scratch}/applications",
        "yarn.resourcemanager.work-preserving-recovery.scheduling-wait-ms": 1000,
        "yarn.node-attribute.fs-store.root-dir": f"file://{scratch}/attributes",
    }


def queues() -> dict[str, object]:
    """``capacity-scheduler.xml``: one queue, which may be full of application masters, and cores that count."""
    return {
        "yarn.scheduler.capacity.root.queues": "default",
        "yarn.scheduler.capacity.root.default.capacity": 100,
        # More than all, for what waits is to say that it waits for a node.
        "yarn.scheduler.capacity.maximum-am-resource-percent": 10.0,
        "yarn.scheduler.capacity.resource-calculator": (
            "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator"
        ),
        # There is nothing to be gained by waiting for a nearer node.
        "yarn.scheduler.capacity.node-locality-delay": -1,
    }


def node(host: str, ports: Mapping[str, int], memory: int, cores: int, scratch: Path) -> dict[str, object]:
    """A NodeManager."""
    found: dict[str, object] = {"yarn.nodemanager.hostname": host, "yarn.nodemanager.bind-host": host}
    found |= {f"yarn.nodemanager.{key}": f"{host}:{ports[name]}" for name, key in NODE_PORTS.items()}
    return found | {
        "yarn.nodemanager.resource.memory-mb": memory // MIB,
        "yarn.nodemanager.resource.cpu-vcores": cores,
        "yarn.nodemanager.local-dirs": scratch / "containers",
        "yarn.nodemanager.log-dirs": scratch / "container-logs",
        "yarn.nodemanager.env-whitelist": _INHERITED,
        "yarn.nodemanager.pmem-check-enabled": False,
        "yarn.nodemanager.vmem-check-enabled": False,
        # A disk that others have filled to 90 % makes no node unfit.
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 99.5,
        # Else it takes a quarter of a minute to stop, once it has had a container.
        "yarn.nodemanager.log.retain-seconds": 1,
        "yarn.nodemanager.process-kill-wait.ms": 500,
        "yarn.resourcemanager.connect.retry-interval.ms": 200,
    }


def write_folder(
    folder: Path, core: Mapping[str, object], yarn: Mapping[str, object], hdfs: Mapping[str, object], *, scheduler: bool
) -> None:
    """Write a folder of configuration."""
    write(folder, "core-site", core)
    if hdfs:
        write(folder, "hdfs-site", hdfs)
    write(folder, "yarn-site", yarn)
    if scheduler:
        write(folder, "capacity-scheduler", queues())
    write_logging(folder)
