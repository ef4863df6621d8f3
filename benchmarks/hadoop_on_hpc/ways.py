"""Ways of running the same k-means on a pilot: each starts what it needs, and says what is not installed.

A way's *unit* is what it starts for one piece of work: a Dask task, an MPI program, a Spark task, a container.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.hadoop_on_hpc.kmeans import ITERATIONS, Centres, Points, Solved, moved, partial

if TYPE_CHECKING:
    from pilothouse import Pilot

#: Seconds for anything to start on a busy host.
PATIENCE_S = 180.0


class Ready(Protocol):
    """A way that has started on a pilot."""

    def solve(self, parts: Sequence[Points], centres: Centres) -> Solved:
        """Put the parts in place and iterate."""

    def unit(self) -> float:
        """Start a unit that does nothing: seconds from asking for it to its first line."""


class Way(Protocol):
    """How k-means is run.

    Attributes
    ----------
    name, title
        For code, and for people.
    needs
        What has to be installed, for :func:`lacks`.
    """

    name: str
    title: str
    needs: Sequence[str]

    def started(self, pilot: Pilot) -> AbstractContextManager[Ready]:
        """Start on a ready pilot; stopped at the end of the block."""


def lacks(*needs: str) -> str:
    """Which of these packages and engines (``"engine NAME"``) are not installed; empty when all are."""
    from pilothouse.engines.loading import names

    engines = {f"engine {name}" for name in names()}
    return ", ".join(
        need for need in needs if need not in engines and (need.startswith("engine ") or not find_spec(need))
    )


class _Client(Ready):
    """Dask's tasks through a pilot's client: data in place are futures."""

    def __init__(self, pilot: Pilot) -> None:
        self._client = pilot.client()

    def solve(self, parts: Sequence[Points], centres: Centres) -> Solved:
        """A task for each part, one for their sum; centres go from task to task."""
        submit = self._client.submit
        begun = time.perf_counter()
        placed = self._client.scatter(list(parts), hash=False)
        loaded = time.perf_counter()
        at: Any = centres
        for _ in range(ITERATIONS):
            at = submit(moved, [submit(partial, part, at, pure=False) for part in placed], at, pure=False)
        found = at.result(timeout=PATIENCE_S)
        return Solved(found, loaded - begun, time.perf_counter() - loaded)

    def unit(self) -> float:
        """A task."""
        begun = time.time()
        return float(self._client.submit(time.time, pure=False).result(timeout=PATIENCE_S)) - begun


class Dask(Way):
    """What every pilot has."""

    name, title, needs = "dask", "Dask tasks", ()

    @contextmanager
    def started(self, pilot: Pilot) -> Iterator[Ready]:
        """Its scheduler and workers are the pilot's own."""
        yield _Client(pilot)


class _Ranks(Ready):
    def __init__(self, pilot: Pilot) -> None:
        self._pilot = pilot

    def solve(self, parts: Sequence[Points], centres: Centres) -> Solved:
        """A rank for each part. Ranks don't stay: to load is to start them, too, and to bring the result back."""
        begun = time.perf_counter()
        run = self._pilot.mpi(_rank, list(parts), centres, ranks=len(parts))
        found, iterating = run.result(timeout=PATIENCE_S)[0]
        return Solved(found, time.perf_counter() - begun - iterating, iterating)

    def unit(self) -> float:
        """An MPI program of one rank."""
        begun = time.time()
        return float(self._pilot.mpi(_now, ranks=1).result(timeout=PATIENCE_S)[0]) - begun


def _rank(comm: Any, parts: Sequence[Points], centres: Centres) -> tuple[Centres, float]:
    part = parts[comm.rank]
    partial(part[:1], centres)  # the kernel is there, as in workers that stay
    comm.barrier()
    begun = time.perf_counter()
    for _ in range(ITERATIONS):
        centres = moved(comm.allgather(partial(part, centres)), centres)
    comm.barrier()
    return centres, time.perf_counter() - begun


def _now(comm: Any) -> float:  # noqa: ARG001 - every rank gets one
    return time.time()


class MPI(Way):
    """``pilot.mpi``: each call starts its ranks."""

    name, title, needs = "mpi", "MPI ranks", ("mpi4py",)

    @contextmanager
    def started(self, pilot: Pilot) -> Iterator[Ready]:
        """Nothing is kept running."""
        yield _Ranks(pilot)


class _Session(Ready):
    def __init__(self, session: Any) -> None:
        self._context = session.sparkContext

    def solve(self, parts: Sequence[Points], centres: Centres) -> Solved:
        """An RDD of the parts, kept by the executors; a job each iteration."""
        begun = time.perf_counter()
        placed = self._context.parallelize(list(parts), len(parts)).cache()
        placed.count()
        loaded = time.perf_counter()
        for _ in range(ITERATIONS):
            told = self._context.broadcast(centres)
            centres = moved(placed.map(lambda part, told=told: partial(part, told.value)).collect(), centres)
        ended = time.perf_counter()
        placed.unpersist()
        return Solved(centres, loaded - begun, ended - loaded)

    def unit(self) -> float:
        """A job of one task."""
        begun = time.time()
        return float(self._context.parallelize([0], 1).map(lambda _: time.time()).collect()[0]) - begun


class Spark(Way):
    """Spark, standalone, on the pilot's nodes."""

    name, title, needs = "spark", "Spark tasks", ("engine spark", "pyspark")

    @contextmanager
    def started(self, pilot: Pilot) -> Iterator[Ready]:
        """Master, workers and a session of one core on each node."""
        with _service(pilot, "spark", len(pilot.nodes)) as service:
            session = service.client()
            session.sparkContext.setLogLevel("ERROR")  # it warns of tasks of six megabytes
            yield _Session(session)


class _Objects(Ready):
    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._partial, self._moved = ray.remote(partial), ray.remote(_moved_by_ray)
        self._now = ray.remote(_clock)

    def solve(self, parts: Sequence[Points], centres: Centres) -> Solved:
        """A task for each part, one for their sum, over Ray's store of objects."""
        begun = time.perf_counter()
        placed = [self._ray.put(part) for part in parts]
        loaded = time.perf_counter()
        at = self._ray.put(centres)
        for _ in range(ITERATIONS):
            at = self._moved.remote(at, *(self._partial.remote(part, at) for part in placed))
        found = self._ray.get(at, timeout=PATIENCE_S)
        return Solved(found, loaded - begun, time.perf_counter() - loaded)

    def unit(self) -> float:
        """A task."""
        begun = time.time()
        return float(self._ray.get(self._now.remote(), timeout=PATIENCE_S)) - begun


def _moved_by_ray(centres: Centres, *parts: Any) -> Centres:
    return moved(parts, centres)


def _clock() -> float:
    return time.time()


class Ray(Way):
    """Ray on the pilot's nodes."""

    name, title, needs = "ray", "Ray tasks", ("engine ray", "ray")

    @contextmanager
    def started(self, pilot: Pilot) -> Iterator[Ready]:
        """A head, other nodes, and this process as a driver."""
        with _service(pilot, "ray", len(pilot.nodes)) as service:
            ray = service.client()
            try:
                yield _Objects(ray)
            finally:
                ray.shutdown()


class _Containers(_Client):
    """Dask's tasks on a pilot whose nodes are containers."""

    def __init__(self, containers: Pilot, cluster: Any) -> None:
        super().__init__(containers)
        self._containers, self._cluster = containers, cluster

    def unit(self) -> float:
        """A container more, by YARN's own clock: from its being asked for to its being launched."""
        node = self._containers.extend(1).wait(timeout=PATIENCE_S).nodes[-1]
        said = self._cluster.application(node.job)
        self._containers.shrink(1)
        return float((said.launched - said.submitted).total_seconds())


class YARN(Way):
    """YARN on the pilot's nodes, and a second pilot in its containers: Mode I and Mode II of the paper in one."""

    name, title, needs = "yarn", "Dask tasks in YARN containers", ("engine yarn", "jpype")

    @contextmanager
    def started(self, pilot: Pilot) -> Iterator[Ready]:
        """A ResourceManager, a NodeManager on each node with room for more than one container, and those."""
        import pilothouse as ph

        nodes = len(pilot.nodes)
        with (
            _service(pilot, "yarn", nodes, cores=4, memory="6 GiB") as service,
            _variable("HADOOP_CONF_DIR", str(service.conf_dir)),
            ph.submit("yarn", nodes=nodes, cores=1, memory="1 GiB").wait(timeout=PATIENCE_S) as containers,
        ):
            yield _Containers(containers, service.client())


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _service(pilot: Pilot, engine: str, nodes: int, **settings: Any) -> Iterator[Any]:
    service = pilot.start(engine, nodes=nodes, **settings)
    try:
        yield service.wait(timeout=PATIENCE_S)
    finally:
        service.stop(timeout=60)


#: All ways, in the order in which they are measured.
WAYS: tuple[Way, ...] = (Dask(), MPI(), Spark(), Ray(), YARN())
