"""Spark Connect: a driver in a process of its own on this host, with a token, ended with who opened it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from pilothouse import remains
from tests.integration.engines.spark.conftest import CONF
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.spark.service import SparkService

pytestmark = pytest.mark.engines("pyspark", "grpc_status", "pyarrow")

SCRIPT = """
import sys, pilothouse as ph
from pilothouse.errors import Conflict
service = ph.attach(sys.argv[1])
spark = service.connect(eval(sys.argv[2]))
assert service.connect() is spark
print(type(spark).__module__, spark.range(1000).selectExpr("sum(id)").first()[0], flush=True)
try:
    service.client()
except Conflict as error:
    print(error, flush=True)
sys.stdin.read()
"""


def test_a_session_of_spark_connect_computes_and_ends_with_its_process(service: SparkService) -> None:
    from pyspark.sql import SparkSession

    if (other := SparkSession.getActiveSession()) is not None:
        other.stop()  # that of other tests: it has the nodes' cores
    conf = {**CONF, "spark.cores.max": 1}
    kernel = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, service.name, repr(conf)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == "pyspark.sql.connect.session 499500\n"
        assert "has a Spark Connect session" in kernel.stdout.readline()
        server = [p for p in psutil.Process(kernel.pid).children(recursive=True) if p.name() == "java"]
        assert len(server) == 1
        listens = {c.laddr.ip for c in server[0].net_connections("tcp") if c.status == "LISTEN"}
        assert {ip.removeprefix("::ffff:") for ip in listens} == {"127.0.0.1"}
        secret = service.secrets["secret"]
        assert not [p for p in server if secret in " ".join(p.cmdline()) or "token" in " ".join(p.cmdline())]
    finally:
        kernel.kill()
        kernel.wait()
    eventually(lambda: not remains.is_running(server[0]), "the end of its server", 30)
