"""Real engines on a real Slurm whose nodes are hosts: they are reached from all of them, and from nowhere else."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from benchmarks.numbered import Numbered
from tests.listening import addresses
from tests.slurm.login_node import LoginNode
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.hdfs_service import HDFSService
    from pilothouse.engines.kafka.service import KafkaService
    from pilothouse.engines.spark.service import SparkService
    from pilothouse.pilots import Pilot

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]
PATIENCE_S = 240.0
#: Addresses of the cluster's nodes, and where the user is.
NODES, LOGIN = {socket.gethostbyname(f"n{number}") for number in range(1, 5)}, socket.gethostbyname("login")
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def java(service: Any) -> list[psutil.Process]:
    """The virtual machines of a service."""
    return [
        p for p in psutil.process_iter(["cmdline", "name"])
        if p.info["name"] == "java" and any(f"/{service.name}-" in word for word in p.info["cmdline"] or ())
    ]  # fmt: skip


def listens(service: Any) -> set[str]:
    """The addresses at which a service's virtual machines listen; each at one, and on loopback to itself."""
    found = [addresses(process.pid) - {"127.0.0.1"} for process in java(service)]
    assert all(len(each) == 1 for each in found), found
    return set().union(*found)


def where(service: Any) -> set[str]:
    """The addresses of the nodes that a service is on."""
    return {member["host"] for member in service.members}


# ---------------------------------------------------------------------- Kafka


@pytest.fixture(scope="module")
def kafka(pilot: Pilot) -> Iterator[KafkaService]:
    service: Any = pilot.start("kafka", nodes=3, heap="192 MiB", session_timeout=4.0)
    yield service.wait(timeout=PATIENCE_S)
    service.stop()


def test_a_kafka_grows_shrinks_and_loses_a_node_while_the_login_node_writes_to_it(
    hosts: LoginNode, pilot: Pilot, kafka: KafkaService
) -> None:
    assert len(where(kafka)) == 3
    assert where(kafka) < NODES
    assert {address.rpartition(":")[0] for address in kafka.address.split(",")} == where(kafka)
    assert listens(kafka) == where(kafka)
    kafka.create("numbers", partitions=4)
    with Numbered(kafka, "numbers", 4, rate=300) as numbered:

        def goes_on() -> None:
            there = numbered.acknowledged
            eventually(lambda: numbered.acknowledged > there + 300, "messages", PATIENCE_S)

        goes_on()
        lost = kafka.members[1]
        job = next(node.job for node in pilot.nodes if node.name == lost["node"])
        hosts.cluster.run("scancel", job)
        eventually(lambda: lost["node"] not in kafka.nodes, "the loss", PATIENCE_S)
        goes_on()  # two of three have all that was acknowledged
        kafka.wait(timeout=PATIENCE_S)
        assert len(where(kafka)) == 3
        eventually(lambda: _under_replicated(kafka) == 0, "copies of what the lost node had", PATIENCE_S)
        pilot.extend().wait(timeout=120)
        kafka.extend().wait(timeout=PATIENCE_S)
        goes_on()
        assert where(kafka) == NODES
        kafka.shrink().wait(timeout=PATIENCE_S)
        goes_on()
    found = numbered.found()
    assert (found.lost, found.doubled, found.disordered, found.refused) == (0, 0, 0, 0), found
    assert listens(kafka) == where(kafka)
    pilot.shrink()
    eventually(lambda: sum(not node.state.ended for node in pilot.nodes) == 3, "one node less", 120)


def _under_replicated(kafka: KafkaService) -> float:
    return sum(each["under_replicated"] for each in kafka.metrics().values())


# ---------------------------------------------------------------------- Spark


@pytest.fixture(scope="module")
def spark(pilot: Pilot) -> Iterator[SparkService]:
    service: Any = pilot.start(
        "spark", nodes=2, cores=1, memory="512 MiB", daemon_memory="256 MiB",
    )  # fmt: skip
    yield service.wait(timeout=PATIENCE_S)
    service.stop()


def test_a_spark_has_its_driver_on_the_login_node_and_loses_the_node_of_its_master(
    hosts: LoginNode, pilot: Pilot, spark: SparkService
) -> None:
    session = spark.client(
        {
            "spark.driver.memory": "512m", "spark.driver.extraJavaOptions": BRIEF,
            "spark.executor.extraJavaOptions": BRIEF,
        }
    )  # fmt: skip
    context = session.sparkContext

    def host(_: int) -> str:
        return os.environ["SLURMD_NODENAME"]

    def hosts_of_tasks() -> set[str]:
        return {socket.gethostbyname(name) for name in context.parallelize(range(8), 8).map(host).collect()}

    eventually(lambda: hosts_of_tasks() == where(spark), "executors on both nodes", PATIENCE_S)
    assert listens(spark) == where(spark)
    driver = context._gateway.proc.pid
    assert addresses(driver) <= {LOGIN, "127.0.0.1"}  # the second is pyspark's own line to it
    led = next(member for member in spark.members if member.get("leads"))
    job = next(node.job for node in pilot.nodes if node.name == led["node"])
    hosts.cluster.run("scancel", job)
    eventually(lambda: led["node"] not in spark.nodes, "the loss", PATIENCE_S)
    spark.wait(timeout=PATIENCE_S)
    assert context.parallelize(range(100), 4).sum() == 4950
    spark.extend().wait(timeout=PATIENCE_S)
    eventually(lambda: hosts_of_tasks() == where(spark), "executors on all three", PATIENCE_S)
    assert len(where(spark)) == 3
    spark.shrink(2).wait(timeout=PATIENCE_S)
    assert context.parallelize(range(100), 4).sum() == 4950
    assert hosts_of_tasks() == where(spark)
    session.stop()


# ---------------------------------------------------------------------- HDFS, and YARN on it


@pytest.fixture(scope="module")
def hdfs(pilot: Pilot) -> Iterator[HDFSService]:
    """The nodes are the pilot's alone: nobody has to say ``unprotected``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", BRIEF)
        service: Any = pilot.start("hdfs", nodes=2, block_size="1 MiB")
        yield service.wait(timeout=PATIENCE_S)
        service.stop()


def test_an_hdfs_is_written_to_from_the_login_node_and_yarn_runs_programs_on_its_nodes(
    hosts: LoginNode, pilot: Pilot, hdfs: HDFSService, tmp_path: Path
) -> None:
    lasting = next(member["node"] for member in hdfs.members if member["role"] == "namenode")
    assert f"when the walltime of {lasting} is over" in hdfs.reason  # what can't move says so before it has to
    assert "NameNode" in hdfs.reason
    files, data = hdfs.client(), os.urandom(3 << 20)
    files.pipe("/data", data)
    assert files.cat("/data") == data
    assert listens(hdfs) == where(hdfs)
    yarn: Any = pilot.start("yarn", nodes=2, hdfs=hdfs, cores=1, memory="512 MiB")
    yarn.wait(timeout=PATIENCE_S)
    cluster = yarn.client()
    said = hosts.folder / "said"
    script = hosts.folder / "say"
    script.write_text(f"hostname > '{said}.new' && mv '{said}.new' '{said}'; sleep 600\n")
    number, _ = cluster.new_application()
    cluster.submit(
        {
            "application-id": number, "application-name": "test", "application-type": "TEST", "max-app-attempts": 1,
            "resource": {"memory": 128, "vCores": 1},
            "am-container-spec": {"commands": {"command": f"sh {script}"}},
        }
    )  # fmt: skip
    eventually(said.exists, "its command", PATIENCE_S)
    assert socket.gethostbyname(said.read_text().strip() or "login") in where(yarn)
    cluster.kill(number)
    assert listens(yarn) == where(yarn)
    hdfs.extend().wait(timeout=PATIENCE_S)
    hdfs.shrink().wait(timeout=PATIENCE_S)
    lost = next(member for member in hdfs.members if member["role"] == "datanode")
    job = next(node.job for node in pilot.nodes if node.name == lost["node"])
    hosts.cluster.run("scancel", job)
    assert files.cat("/data") == data
    hdfs.wait(timeout=PATIENCE_S)
    assert files.cat("/data") == data
    yarn.stop()
