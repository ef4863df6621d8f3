"""A real Spark on a local pilot: sessions, secrets, growth, wrong credentials, what is left."""

from __future__ import annotations

import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
import pytest

import pilothouse as ph
from pilothouse import remains
from pilothouse.engines.jvm.java import java
from pilothouse.engines.spark import install
from pilothouse.engines.spark.pages import asked
from pilothouse.engines.spark.properties import guarded, write
from pilothouse.engines.spark.service import SparkService
from pilothouse.errors import Conflict, Refused
from tests.integration.engines.spark.conftest import CONF, SMALL
from tests.waiting import eventually

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pilothouse.pilots import Pilot

pytestmark = pytest.mark.engines("pyspark")


def processes(service: SparkService) -> list[psutil.Process]:
    """Masters, workers and executors of a service: Java that has its scratch folders on its command line."""
    return [p for p in psutil.process_iter(["name"]) if p.info["name"] == "java" and service.name in _line(p)]


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def pages(service: SparkService) -> str:
    return str(service.members[0]["pages"])


def test_functions_run_on_the_nodes_with_their_python(service: SparkService, spark: SparkSession) -> None:
    assert service.client() is spark
    assert ph.attach(service.name).client({"spark.driver.memory": "512m"}) is spark
    assert spark.sparkContext.master == service.address
    assert spark.conf.get("spark.task.maxFailures") == "2"

    def where(number: int) -> tuple[int, str, str]:
        import os

        return number * number, sys.executable, os.environ["SPARK_CONF_DIR"]

    found = spark.sparkContext.parallelize(range(8), 8).map(where).collect()
    assert [square for square, _, _ in found] == [number * number for number in range(8)]
    assert {interpreter for _, interpreter, _ in found} == {sys.executable}
    assert all(f"{service.name}-" in folder for _, _, folder in found)
    assert spark.range(1000).selectExpr("sum(id)").first()[0] == 499500
    eventually(lambda: sum(each.get("cores_used", 0) for each in service.metrics().values()) == 2, "cores in use")
    figures = service.metrics()
    assert sum(each.get("applications", 0) for each in figures.values()) == 1
    assert {each["cores"] for each in figures.values()} == {1.0}
    assert {each["memory"] for each in figures.values()} == {512.0 * (1 << 20)}


def test_the_secret_is_in_files_of_the_user_alone(service: SparkService, spark: SparkSession) -> None:
    secret = service.secrets["secret"]
    assert len(processes(service)) >= 4
    assert [line for process in psutil.process_iter() if secret in (line := _line(process))] == []
    assert secret not in service.logs() + repr(service) + service.record.model_dump_json() + str(service.members)
    places = [Path(p.cwd()) for p in processes(service) if "deploy.worker" in _line(p) or "@" in _line(p)]
    written = [path for place in places for path in place.rglob("*") if path.is_file() and _has(path, secret)]
    assert {path.name for path in written} == {"spark-defaults.conf"}
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    driver = Path(spark.sparkContext.getConf().get("spark.local.dir"))
    assert driver.stat().st_mode & 0o777 == 0o700
    assert [path for path in driver.rglob("*") if path.is_file() and _has(path, secret)] == []


def _has(path: Path, secret: str) -> bool:
    try:
        return secret.encode() in path.read_bytes()
    except OSError:
        return False


def test_pages_and_daemons_let_in_nobody_without_the_secret(service: SparkService, tmp_path: Path) -> None:
    ports = [c.laddr.port for p in processes(service) for c in p.net_connections("tcp") if c.status == "LISTEN"]
    assert {c.laddr.ip.removeprefix("::ffff:") for p in processes(service) for c in p.net_connections("tcp")} == {
        "127.0.0.1"
    }
    web = [port for port in ports if _answer(port, "/json/") is not None]
    assert len(web) == 3  # the master's and the workers'
    for port in web:
        for page in ("/", "/json/", "/app/?appId=x", "/logPage/?appId=x", "/metrics/json/", "/static/spark-logo.svg"):
            assert _answer(port, page) == 403
    with pytest.raises(Refused, match="does not know the secret"):
        asked(pages(service), "5ec" * 20)
    # A worker with another secret, started as ours are.
    write(tmp_path / "spark-defaults.conf", guarded("5ec" * 20))
    java_here = java(least=17)
    argv = install.daemon(
        java_here, install.WORKER, "--host", "127.0.0.1", "--cores", "1", "--memory", "512m", service.address,
        heap=256 << 20, scratch=tmp_path, archived=install.classes(java_here),
    )  # fmt: skip
    environment = {**_inherited(), **install.surroundings(java_here, tmp_path, "127.0.0.1")}
    log = tmp_path / "log"
    with log.open("wb") as file:
        stranger = subprocess.Popen(argv, stdout=file, stderr=file, env=environment, cwd=tmp_path)
    try:
        eventually(lambda: "Failed to connect to master" in log.read_text(errors="replace"), "its refusal", 60)
        assert asked(pages(service), service.secrets["secret"])["aliveworkers"] == 2
    finally:
        stranger.kill()
        stranger.wait()


def _inherited() -> dict[str, str]:
    import os

    return dict(os.environ)


def _answer(port: int, page: str) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", page)
        return connection.getresponse().status
    except Exception:  # noqa: BLE001 - no web server is there
        return None
    finally:
        connection.close()


def test_a_client_with_an_old_secret_hears_it_at_once(
    service: SparkService, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SparkService, "secrets", {"secret": "5ec" * 20})
    with pytest.raises(Refused, match="does not know the secret"):
        service.client()


def test_one_session_in_a_process(service: SparkService, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilothouse.engines.spark import session

    with pytest.raises(Conflict, match=r"has another spark.driver.memory; end it first"):
        service.client({"spark.driver.memory": "1g"})
    monkeypatch.setattr(session, "_open", None)  # as if the user had opened it
    with pytest.raises(Conflict, match=r"this process has a session with spark://.*\.stop\(\)"):
        service.client()


def test_a_session_that_has_died_is_not_handed_out_again(service: SparkService, spark: SparkSession) -> None:
    from pilothouse.engines.spark import session

    context = spark.sparkContext
    folder = Path(context.getConf().get("spark.local.dir"))
    driver = psutil.Process(context._gateway.proc.pid)
    assert session._open is not None
    assert session._is_live(session._open)
    context._jsc.sc().stop()  # as the driver does when the master has ended its application
    assert not session._is_live(session._open)
    driver.kill()
    eventually(lambda: not remains.is_running(driver), "its end")
    assert not session._is_live(session._open)
    latest = service.client(CONF, kafka=True)
    assert latest is not spark
    assert latest.range(1000).selectExpr("sum(id)").first()[0] == 499500
    assert service.client() is latest
    assert not folder.exists()


def test_it_grows_and_gives_back_with_what_executors_have_cached(service: SparkService, spark: SparkSession) -> None:
    service.extend().wait(timeout=120)
    context = spark.sparkContext
    eventually(lambda: context._jsc.sc().getExecutorMemoryStatus().size() == 4, "a third executor", 60)
    computed = context.accumulator(0)

    def compute(number: int) -> bytes:
        computed.add(1)
        return bytes(10_000)

    cached = context.parallelize(range(60), 6).map(compute).cache()
    assert cached.count() == 60
    assert computed.value == 60
    try:
        service.shrink().wait(timeout=120)
        assert len(service.members) == 2
        assert asked(pages(service), service.secrets["secret"])["aliveworkers"] == 2
        assert cached.count() == 60
        assert computed.value == 60  # what was on the node that went is elsewhere
    finally:
        cached.unpersist()


SCRIPT = """
import sys, pilothouse as ph
service = ph.attach(sys.argv[1])
spark = service.client({"spark.cores.max": 1, **eval(sys.argv[2])})
print(spark.sparkContext.getConf().get("spark.local.dir"), flush=True)
sys.stdin.read()
"""


def test_a_kernel_that_is_killed_takes_its_session_along(spark_pilot: Pilot, tmp_path: Path) -> None:
    """And what stops a service leaves nothing: no process, no port, no file."""
    other = spark_pilot.start("spark", nodes=1, name="other", **SMALL)
    other.wait(timeout=120)
    secret = other.secrets["secret"]
    kernel = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, other.name, repr(CONF)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert kernel.stdout is not None
        folder = Path(kernel.stdout.readline().strip())
        driver = [p for p in psutil.Process(kernel.pid).children(recursive=True) if p.name() == "java"]
        assert len(driver) == 1
        assert len(asked(pages(other), secret)["activeapps"]) == 1
    finally:
        kernel.kill()
        kernel.wait()
    eventually(lambda: asked(pages(other), secret)["activeapps"] == [], "the end of its application", 30)
    eventually(lambda: not remains.is_running(driver[0]), "the end of its driver", 30)
    assert folder.exists()
    ours = processes(other)
    scratch = {Path(p.cwd()) for p in ours}
    where = urlsplit(other.address)
    other.stop()
    assert not [p for p in ours if remains.is_running(p)]
    assert not [place for place in scratch if place.exists()]
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection(where.hostname or "", where.port).connect()
    from pilothouse.engines.spark.session import own_folder

    own_folder().rmdir()
    assert not folder.exists()


def test_it_reads_and_writes_a_kafka(service: SparkService, spark: SparkSession, spark_pilot: Pilot) -> None:
    kafka: Any = spark_pilot.start("kafka", nodes=1, heap="256 MiB").wait(timeout=120)
    try:
        kafka.create("numbers", partitions=2)
        producer = kafka.producer()
        for number in range(100):
            producer.produce("numbers", str(number).encode())
        producer.flush()
        del producer  # it would look for the Kafka when that is gone
        options = service.kafka_options(kafka)
        assert kafka.secrets["password"] in options["kafka.sasl.jaas.config"]
        stream = spark.readStream.format("kafka").options(**options, subscribe="numbers", startingOffsets="earliest")
        squares = stream.load().selectExpr("CAST(CAST(CAST(value AS STRING) AS INT) * 2 AS STRING) AS value")
        kafka.create("doubled", partitions=1)
        query = (
            squares.writeStream.format("kafka").options(**options, topic="doubled")
            .option("checkpointLocation", str(service.folder / "checkpoint")).trigger(availableNow=True).start()
        )  # fmt: skip
        assert query.awaitTermination(120)
        read = spark.read.format("kafka").options(**options, subscribe="doubled").load()
        assert sorted(int(row.value) for row in read.collect()) == [2 * number for number in range(100)]
    finally:
        kafka.stop()
