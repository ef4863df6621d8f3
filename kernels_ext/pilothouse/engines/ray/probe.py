"""Asks a Ray cluster for a task on one node, says when it was answered, then how busy the cluster is.

``python -m pilothouse.engines.ray.probe ADDRESS IP NUMBER STARTED FILE``, a process of its own: Ray ends the processes
that are connected to it in its own way when it ends.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from pilothouse.state import write_atomic

#: What it writes, in the member's folder.
FIGURES = "figures.json"
#: What ``ray start`` writes in Ray's folder when it has started the node.
STARTED = "ray_current_cluster"
#: Seconds between two figures, between two attempts to connect, and between two looks whether Ray has started.
FIGURES_S, AGAIN_S, LOOK_S = 2.0, 0.2, 0.02


def resource_of(number: int) -> str:
    """The resource that a member alone has: a task that wants some of it runs there."""
    return f"pilothouse-{number}"


def figures(ray: Any) -> dict[str, float]:
    """Of the cluster now."""
    total, free = ray.cluster_resources(), ray.available_resources()
    store = float(total.get("object_store_memory", 0.0))
    cpus = float(total.get("CPU", 0.0))
    return {
        "cores": cpus,
        "cores_used": cpus - float(free.get("CPU", 0.0)),
        "objects_bytes": store - float(free.get("object_store_memory", 0.0)),
        "nodes": float(sum(bool(node["Alive"]) for node in ray.nodes())),
    }


def main() -> None:
    """Connect, ask, report until ended."""
    address, ip, number, started, file = sys.argv[1:]
    import ray

    while not Path(started).exists():  # who asks a Ray that has not waits for seconds until it asks again
        time.sleep(LOOK_S)
    while True:
        try:
            ray.init(address=address, _node_ip_address=ip, log_to_driver=False, logging_level="ERROR")
            break
        except (ConnectionError, RuntimeError, ValueError):  # it is coming up
            time.sleep(AGAIN_S)

    def where() -> str:
        return str(ray.get_runtime_context().get_node_id())

    task = ray.remote(num_cpus=0, resources={resource_of(int(number)): 0.001}, max_retries=-1)(where)
    node = ray.get(task.remote())
    while True:
        write_atomic(Path(file), json.dumps({"node": node, "figures": figures(ray)}).encode())
        time.sleep(FIGURES_S)


if __name__ == "__main__":
    main()
