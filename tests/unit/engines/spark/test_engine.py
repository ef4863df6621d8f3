"""What an engine says of Spark: roles, where the master is, what is lost."""

from __future__ import annotations

import subprocess
import sys

from pilothouse.engines.spark.engine import Spark

SPARK = Spark()


def test_one_of_the_members_has_the_master_at_first() -> None:
    assert SPARK.role([], 3) == "master"
    assert SPARK.role(["master", "worker"], 3) == "worker"
    assert SPARK.role(["worker"], 2) == "master"
    assert SPARK.first("master")
    assert not SPARK.first("worker")


def test_nothing_is_lost_with_any_of_them() -> None:
    assert SPARK.loses("master", []) == SPARK.loses("worker", ["master"]) == ""


def test_the_address_is_that_of_the_latest_master() -> None:
    members = [
        {"number": 1, "master": "spark://a:1", "pages": "http://a:2", "term": 1},
        {"number": 3, "master": "spark://b:1", "pages": "http://b:2", "term": 3},
        {"number": 4},
    ]
    assert SPARK.address(members) == "spark://b:1"
    assert SPARK.address([{"number": 1}]) == SPARK.address([]) == ""


def test_each_service_has_a_secret_of_its_own() -> None:
    settings = SPARK.settings()()
    one, other = SPARK.secrets(settings)["secret"], SPARK.secrets(settings)["secret"]
    assert one != other
    assert len(bytes.fromhex(one)) == 32


def test_the_supervisor_stays_light() -> None:
    code = "import sys, pilothouse.engines.spark.engine; print({'pyspark', 'numpy', 'pydantic'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
