"""What a YARN does on one node."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any

from pilothouse.engines.hadoop import proxy_ca, yarn_files
from pilothouse.engines.hadoop.cluster import Cluster, Node, Resource
from pilothouse.engines.hadoop.program import Programs
from pilothouse.engines.hadoop.yarn_settings import default_file_system
from pilothouse.engines.protocols import Member, Place
from pilothouse.engines.spark import install
from pilothouse.errors import InvalidInput, Refused, Unavailable

#: Seconds in which daemons must answer; a host that is busy takes ten times what a quiet one does.
READY_S = 240.0
#: Seconds from SIGTERM to SIGKILL: a NodeManager whose ResourceManager has gone would ask for it for long.
GRACE_S = 3.0
#: Seconds that a question may take.
PATIENCE_S = 10.0
#: Seconds between two looks at containers that are to end.
LOOK_S = 0.2
#: Bytes that must be left for containers.
LEAST = 128 << 20


class YARNMember(Member):
    """A NodeManager, and on the first node the ResourceManager."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.settings = place.settings
        self.programs = Programs(place.scratch)
        names = [*yarn_files.NODE_PORTS, *(yarn_files.MANAGER_PORTS if self.is_first else ())]
        self.ports = place.ports(*names)
        self._had: dict[str, Resource] = {}

    @property
    def is_first(self) -> bool:
        """Whether the ResourceManager is here."""
        return self.place.role == yarn_files.MANAGER

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the member with the ResourceManager has told."""
        for member in self.place.members.values():
            if "manager" in member:
                return member
        raise Unavailable("the ResourceManager is not there yet")

    @property
    def cluster(self) -> Cluster:
        """As clients ask it."""
        web = f"{self.place.host}:{self.ports['rm-web']}" if self.is_first else str(self.facts["web"])
        return Cluster([f"http://{web}"], timeout=PATIENCE_S)

    @property
    def has(self) -> Resource:
        """What this node has for containers."""
        heaps = self.settings["nodemanager_heap"] + (self.settings["resourcemanager_heap"] if self.is_first else 0)
        memory = self.settings["memory"] or self.place.memory - heaps
        if memory < LEAST:
            raise InvalidInput(
                f"memory: {self.place.node} has {self.place.memory >> 20} MiB, of which the daemons take "
                f"{heaps >> 20}; YARN needs larger nodes, or memory= says what containers may have",
                field="memory",
            )
        return Resource(memory, self.settings["cores"] or self.place.cores)

    # ------------------------------------------------------------------ start

    def start(self) -> None:
        """Start the daemons beside each other, and return when the ResourceManager has this node."""
        place, has = self.place, self.has
        manager: Mapping[str, object]
        if self.is_first:
            manager = yarn_files.manager(place.host, self.ports)
            self._start_manager(manager, has)
        else:
            manager = self.facts["manager"]
        own = yarn_files.node(place.host, self.ports, has.memory, has.cores, place.scratch)
        self._daemon("nodemanager", "server.nodemanager.NodeManager", {**manager, **own})
        seen = place.until(self._here, "the ResourceManager does not have this node", READY_S)
        place.publish(nodemanager=seen.id, **install.here())
        if self.is_first:
            place.publish(address=f"http://{place.host}:{self.ports['rm-web']}")
        if not self.programs.archive.there:
            self.programs.archive.make_aside()

    def _start_manager(self, manager: Mapping[str, object], has: Resource) -> None:
        place = self.place
        # Nodes that come later may be larger than this one.
        rules = yarn_files.scheduling(self.settings, max(has.memory, 1 << 40), max(has.cores, 1 << 12), place.scratch)
        proxy_ca.put(place.scratch / yarn_files.APPLICATIONS)
        folder = place.folder / "hadoop"
        url, hdfs = default_file_system(self.settings["hdfs"])
        core = yarn_files.core(url, place.scratch / "tmp")
        del core["hadoop.tmp.dir"]  # it is this node's
        yarn_files.write_folder(folder, core, manager, hdfs, scheduler=False)
        self._daemon("resourcemanager", "server.resourcemanager.ResourceManager", {**manager, **rules}, scheduler=True)
        place.publish(manager=dict(manager), web=f"{place.host}:{self.ports['rm-web']}", conf_dir=str(folder))

    def _daemon(self, name: str, main: str, yarn: Mapping[str, object], *, scheduler: bool = False) -> None:
        folder = self.place.scratch / f"{name}-conf"
        url, hdfs = default_file_system(self.settings["hdfs"])
        yarn_files.write_folder(
            folder, yarn_files.core(url, self.place.scratch / "tmp"), yarn, hdfs, scheduler=scheduler
        )
        heap = self.settings[f"{name}_heap"]
        command = self.programs.command(f"yarn.{main}", configuration=folder, heap=heap)
        # Containers find the clients' configuration by it.
        told = self.place.folder / "hadoop"
        environment = {**self.programs.environment, "HADOOP_CONF_DIR": str(told)}
        self.place.daemon(name, command, env=environment, grace=GRACE_S)

    def _here(self) -> Node | None:
        """The node of this member, as the ResourceManager sees it, once it takes containers."""
        for node in self.cluster.nodes():
            host, _, port = node.id.rpartition(":")
            if int(port) == self.ports["nm"] and node.state == "RUNNING" and _same(host, self.place.host):
                return node
        return None

    # ------------------------------------------------------------------ comings and goings

    def release(self, number: int, seconds: float) -> None:
        """Start no more containers on that node, and wait until those that are there have ended.

        Raises
        ------
        Refused
            They have not: applications go on there.
        """
        node = str(self.place.members[number].get("nodemanager", ""))
        cluster, seen = self.cluster, self._seen(node)
        if seen is None:
            return
        begun, at_first = time.monotonic(), seen.containers
        self._had.setdefault(node, seen.has)
        cluster.resize(node, 0, 0)
        while (seen := self._seen(node)) is not None and seen.containers:
            self.place.progress(max(at_first - seen.containers, 0), at_first, "containers")
            if time.monotonic() - begun > seconds or self.place.stopping:
                had = self._had.pop(node)
                cluster.resize(node, had.memory, had.cores)
                raise Refused(
                    f"{seen.containers} containers still run on {self.place.members[number]['node']} after "
                    f"{seconds:g} s: wait for their applications, or end them"
                )
            time.sleep(LOOK_S)

    def _seen(self, node: str) -> Node | None:
        return next((each for each in self.cluster.nodes() if each.id == node and each.state == "RUNNING"), None)

    # ------------------------------------------------------------------ figures

    def metrics(self) -> Mapping[str, float]:
        """Of this node's containers; of the whole cluster on the first node."""
        cluster, figures = self.cluster, {}
        if (node := self._here()) is not None:
            figures = {
                "containers": float(node.containers), "memory_used": float(node.used.memory),
                "memory": float(node.has.memory), "cores_used": float(node.used.cores),
                "cores": float(node.has.cores),
            }  # fmt: skip
        if self.is_first:
            whole = cluster.metrics()
            figures |= {
                "applications": float(whole["appsRunning"]),
                "applications_pending": float(whole["appsPending"]),
                "applications_submitted": float(whole["appsSubmitted"]), "nodemanagers": float(whole["activeNodes"]),
            }  # fmt: skip
        return figures


def _same(host: str, other: str) -> bool:
    """Whether two words for a host mean the same one: YARN looks their names up."""
    if host == other:
        return True
    try:
        return socket.gethostbyname(host) == socket.gethostbyname(other)
    except OSError:
        return False
