"""YARN beside HDFS on a local pilot: from the call until both answer, a node that joins, a container, the end.

Virtual machines take their classes from the archive, as they do from the second start on.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.home import own_home
from benchmarks.rows import Row, missing, within

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.cluster import Cluster
    from pilothouse.pilots import Pilot

RUNS = 3
CONTAINERS = 7
PATIENCE_S = 240.0
#: The host may have other people on it.
OPEN = {"unprotected": True}


def rows() -> list[Row]:
    """Measure."""
    from pilothouse.engines.jvm.jars import found
    from pilothouse.errors import PilothouseError

    try:
        if not found("hadoop"):
            return [missing("YARN", "Hadoop (pilothouse engines fetch yarn)")]
        _archive()
    except PilothouseError as error:  # no Java
        return [missing("YARN", str(error))]
    with own_home():
        return _rows()


def _archive() -> None:
    from pilothouse.engines.jvm.archives import archive
    from pilothouse.engines.jvm.jars import jars
    from pilothouse.engines.jvm.java import java

    archive("hadoop", jars("hadoop"), java(17)).make()


def _rows() -> list[Row]:
    import pilothouse as ph

    ready, joined, containers, stopped = [], [], [], []
    with ph.submit("local", name="yarn", nodes=2, cores=2, memory="3 GiB").wait(timeout=120) as pilot:
        for _ in range(RUNS):
            begun = time.perf_counter()
            with _both(pilot) as yarn:
                ready.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                yarn.extend().wait(timeout=PATIENCE_S)
                joined.append(time.perf_counter() - begun)
                containers += [
                    _container(yarn.client(), yarn.folder / f"begun-{number}") for number in range(CONTAINERS)
                ]
                begun = time.perf_counter()
                yarn.stop()
                stopped.append(time.perf_counter() - begun)
    return [
        within("HDFS and YARN, one node: call to both ready (s)", statistics.median(ready), 9.0),
        within("YARN: a node more, call to ready (s)", statistics.median(joined), 4.0),
        within("YARN: container, request to its command (s)", statistics.median(containers), 1.0),
        within("YARN, two nodes: stop (s)", statistics.median(stopped), 3.0),
    ]


@contextmanager
def _both(pilot: Pilot) -> Iterator[Any]:
    """The two, started beside each other."""
    hdfs: Any = pilot.start("hdfs", **OPEN)
    try:
        yarn: Any = pilot.start("yarn", **OPEN)
        try:
            yarn.wait(timeout=PATIENCE_S)
            hdfs.wait(timeout=PATIENCE_S)
            yield yarn
        finally:
            yarn.stop()
    finally:
        hdfs.stop()


def _container(cluster: Cluster, mark: Path) -> float:
    """Seconds from the request to the first thing that the container's command does."""
    begun = time.time()
    number, _ = cluster.new_application()
    cluster.submit(
        {
            "application-id": number, "application-name": "container", "max-app-attempts": 1,
            "resource": {"memory": 64, "vCores": 1},
            "am-container-spec": {"commands": {"command": f"touch '{mark}'; exec sleep 600"}},
        }
    )  # fmt: skip
    deadline = time.monotonic() + PATIENCE_S
    while not mark.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{number} did not start")
        time.sleep(0.005)
    cluster.kill(number)
    return mark.stat().st_mtime - begun
