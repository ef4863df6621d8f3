"""Another account of the host reaches nothing of a Spark, nor of a session with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.another_account import answers, is_shown, needs_root, open_files
from tests.listening import listeners

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pilothouse.engines.spark.service import SparkService

pytestmark = [pytest.mark.engines("pyspark"), needs_root]


def test_it_reads_no_file_sees_no_secret_and_gets_no_page(service: SparkService, spark: SparkSession) -> None:
    assert spark.range(10).count() == 10  # there are executors
    daemons = [
        p for p in psutil.process_iter(["name", "cmdline"])
        if p.info["name"] == "java" and any(f"/{service.name}-" in word for word in p.info["cmdline"])
    ]  # fmt: skip
    driver = spark.sparkContext._gateway.proc
    assert len(daemons) >= 5
    assert not is_shown(service.secrets["secret"])
    own = Path(spark.sparkContext.getConf().get("spark.local.dir"))
    assert open_files(service.folder, own, *(Path(p.cwd()) for p in daemons)) == []
    ports = {listener.port for pid in (driver.pid, *(p.pid for p in daemons)) for listener in listeners(pid)}
    said = answers(("127.0.0.1", port, "GET", "/json/") for port in sorted(ports))
    # Pages of the master, of two workers and of the session; all else is no web server.
    assert sorted(filter(None, said)) == [403] * 4
