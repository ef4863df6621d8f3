"""Spark on a real YARN of a local pilot: as a service, and as a site's by its folder of configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from pilothouse import remains
from pilothouse.engines.hadoop.site import BEGINNING, SiteYARN
from pilothouse.engines.hadoop.yarn_service import STAGING
from pilothouse.engines.spark import session
from pilothouse.errors import Conflict
from tests.integration.engines.spark.conftest import SOON
from tests.integration.engines.yarn import local_pilot, yarn_on
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.hadoop.yarn_service import YARNService

pytestmark = [pytest.mark.engines("pyspark"), pytest.mark.timeout(900)]

CONF = {
    "spark.driver.memory": "512m", "spark.executor.memory": "512m", "spark.driver.extraJavaOptions": SOON,
    "spark.executor.extraJavaOptions": SOON, "spark.sql.shuffle.partitions": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def yarn(_private_places: None) -> Iterator[YARNService]:
    from pyspark.sql import SparkSession

    if (other := SparkSession.getActiveSession()) is not None:
        other.stop()  # that of tests of Spark in this process, which can have one
    with local_pilot("spark-on-yarn", 1) as pilot, yarn_on(pilot, nodes=1) as service:
        yield service


def _active(yarn: YARNService) -> list[str]:
    states = ("NEW", "NEW_SAVING", "SUBMITTED", "ACCEPTED", "RUNNING")
    return [each.id for each in yarn.client().applications(states=states)]


def test_it_computes_in_containers_as_their_user_and_leaves_nothing(yarn: YARNService) -> None:
    spark = yarn.spark(CONF)
    assert yarn.spark() is spark
    assert spark.sparkContext.master == "yarn"
    assert spark.range(1000).selectExpr("sum(id)").first()[0] == 499500

    def who(number: int) -> tuple[int, int, str, str]:
        return number * number, os.getuid(), os.environ["CONTAINER_ID"], os.getcwd()

    found = spark.sparkContext.parallelize(range(4), 2).map(who).collect()
    assert [square for square, *_ in found] == [0, 1, 4, 9]
    assert {(user, number.partition("_")[0]) for _, user, number, _ in found} == {(os.getuid(), "container")}
    (folder,) = {Path(where) for *_, where in found}
    assert folder.is_dir()
    with pytest.raises(Conflict, match=r"has a session with .*, and can have one; end it first: spark.stop\(\)"):
        SiteYARN(yarn.conf_dir).spark(CONF)
    driver = psutil.Process(spark.sparkContext._gateway.proc.pid)
    listens = {c.laddr.ip.removeprefix("::ffff:") for c in driver.net_connections("tcp") if c.status == "LISTEN"}
    assert listens == {"127.0.0.1"}
    executors = [p for p in psutil.process_iter(["cmdline"]) if "CoarseGrained" in " ".join(p.info["cmdline"] or ())]
    for process in executors:
        ips = {c.laddr.ip.removeprefix("::ffff:") for c in process.net_connections("tcp") if c.status == "LISTEN"}
        assert ips <= {"127.0.0.1"}
    staged = list((yarn.folder / STAGING).glob("*/.sparkStaging/*"))
    assert {path.stat().st_mode & 0o777 for path in staged} == {0o700}
    spark.stop()
    eventually(lambda: not _active(yarn), "the end of its application", 60)
    eventually(lambda: not folder.exists(), "the end of its container's folder", 60)
    assert not [path for path in staged if path.exists()]


@pytest.mark.nightly
def test_a_site_s_yarn_has_the_same_by_its_folder(yarn: YARNService) -> None:
    staging = (yarn.folder / STAGING).as_uri()  # a site has one in its file system
    site = SiteYARN(yarn.conf_dir)
    spark = site.spark({**CONF, "spark.executor.instances": 1, "spark.yarn.stagingDir": staging})
    assert spark.sparkContext.parallelize(range(3), 1).map(lambda n: n + 1).sum() == 6
    driver = psutil.Process(spark.sparkContext._gateway.proc.pid)
    session.close(f"the YARN at {site.address}", BEGINNING)  # what else this process does when it ends
    assert not remains.is_running(driver)
    assert not list((yarn.folder / STAGING).glob("*/.sparkStaging/*"))
