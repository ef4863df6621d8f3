"""Ray on a pilot that is ready: until a first task was answered, one more node, a task's way, the end."""

from __future__ import annotations

import statistics
import time
from importlib.util import find_spec

from benchmarks.home import own_home
from benchmarks.rows import Row, missing, within

RUNS, TASKS = 3, 200


def rows() -> list[Row]:
    """Measure."""
    if not find_spec("ray"):
        return [missing("Ray", "ray")]
    with own_home():
        return _rows()


def _rows() -> list[Row]:
    import pilothouse as ph

    ready, extended, stopped, tasks = [], [], [], []
    with ph.submit("local", name="ray", nodes=2, cores=1).wait(timeout=60) as pilot:
        for _ in range(RUNS):
            begun = time.perf_counter()
            service = pilot.start("ray", object_store="100MB").wait(timeout=120)
            ready.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            service.extend().wait(timeout=120)
            extended.append(time.perf_counter() - begun)
            ray = service.client()
            one = ray.remote(lambda n: n)
            ray.get(one.remote(0))
            begun = time.perf_counter()
            ray.get([one.remote(n) for n in range(TASKS)])
            tasks.append((time.perf_counter() - begun) / TASKS * 1000)
            ray.shutdown()
            begun = time.perf_counter()
            service.stop(timeout=60)
            stopped.append(time.perf_counter() - begun)
    return [
        within("Ray: first task answered after pilot.start (s)", statistics.median(ready), 6.0),
        within("Ray: one more node serves (s)", statistics.median(extended), 6.0),
        within("Ray: stopped, nothing left (s)", statistics.median(stopped), 3.0),
        Row("Ray: a small task (ms)", statistics.median(tasks), None, None, None, holds=True),
    ]
