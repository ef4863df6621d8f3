"""A real Spark on a local pilot, and this process's session with it: started once, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import pilothouse as ph

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pilothouse.engines.spark.service import SparkService
    from pilothouse.pilots import Pilot

#: Small, and soon there: what computes here computes little.
SMALL = {"cores": 1, "memory": "512 MiB", "daemon_memory": "256 MiB"}
SOON = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
CONF = {
    "spark.driver.memory": "512m",
    "spark.driver.extraJavaOptions": SOON,
    "spark.executor.extraJavaOptions": SOON,
    "spark.sql.shuffle.partitions": 2,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that share a service, and the one session that a process can have, are for one process."""
    for item in items:
        if "engines/spark" in item.path.as_posix() and "service" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture(scope="session")
def spark_pilot(_private_places: None) -> Iterator[Pilot]:
    with ph.submit("local", name="sparks", nodes=3, lease="1h").wait(timeout=120) as pilot:
        yield pilot


@pytest.fixture(scope="session")
def service(spark_pilot: Pilot) -> Iterator[SparkService]:
    """Two nodes of three; leave it as you found it."""
    started = spark_pilot.start("spark", nodes=2, name="shared", conf={"spark.task.maxFailures": 2}, **SMALL)
    yield started.wait(timeout=180)
    started.stop()


@pytest.fixture
def spark(service: SparkService) -> SparkSession:
    """The session of this process, which can read a Kafka: the same for all tests, until one of them ends it."""
    return service.client(CONF, kafka=True)
