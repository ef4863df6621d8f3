"""What is looked at before a session of Spark on a YARN is opened."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.engines.hadoop.cluster import Node, Resource
from pilothouse.engines.spark import install, session
from pilothouse.engines.spark.yarn import check_fits, on_yarn
from pilothouse.errors import InvalidInput, Unavailable

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
NODE = {
    "spark": "4.2.0", "spark_home": "/env/pyspark", "python": platform.python_version(), "interpreter": "/env/python",
}  # fmt: skip


def node(memory_mib: int, cores: int = 2, state: str = "RUNNING") -> Node:
    return Node(f"n{memory_mib}:1", "n", state, Resource(memory_mib << 20, cores), Resource(0, 0), 0, "")


def test_its_properties_are_those_of_a_driver_here_and_containers_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = on_yarn("y", CREATED, "http://127.0.0.1:8088", tmp_path, NODE, executors=3, staging="file:///run")
    found = session.all_of(there, tmp_path, {"spark.executor.memory": "512m"})
    assert found["spark.master"] == "yarn"
    assert found["spark.yarn.jars"] == "local:/env/pyspark/jars/*"
    assert found["spark.driver.bindAddress"] == "127.0.0.1"
    assert (found["spark.executor.instances"], found["spark.executor.memory"]) == ("3", "512m")
    assert (found["spark.authenticate"], found["spark.ui.enabled"]) == ("true", "false")
    assert "spark.authenticate.secret" not in found, "YARN has one of its own for each application"
    assert session.all_of(there, tmp_path, {"spark.executor.instances": "1"})["spark.executor.instances"] == "1"
    monkeypatch.setattr(install, "version", lambda: "4.1.3")
    with pytest.raises(Unavailable, match=r"pyspark is 4.1.3 here and 4.2.0 on the nodes of 'y'"):
        session.opened(there, {})


def test_nodes_without_pyspark_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"the nodes of 'y' have no pyspark.*pip install .* for /env/python"):
        on_yarn("y", CREATED, "http://127.0.0.1:8088", tmp_path, {**NODE, "spark": ""})
    assert install.here()["interpreter"] == sys.executable


def test_what_no_node_could_ever_have_is_refused() -> None:
    check_fits([node(1408)], {})
    check_fits([node(900), node(4000, state="LOST")], {"spark.executor.memory": "512m"})
    for conf, words in (
        ({}, r"spark.executor.memory: with a heap of 1024 MiB its container needs 1408 MiB, .* has 1000 MiB"),
        ({"spark.executor.memory": "512", "spark.yarn.am.memory": "1g"}, "spark.yarn.am.memory"),
        ({"spark.executor.memory": "much"}, "a size such as 512m or 2g"),
        ({"spark.executor.memory": "512m", "spark.executor.cores": 3}, "spark.executor.cores=3: .* has 2 cores"),
    ):
        with pytest.raises(InvalidInput, match=words) as caught:
            check_fits([node(1000)], conf)
        assert caught.value.field == "conf"
    with pytest.raises(Unavailable, match="no node that takes containers"):
        check_fits([node(4000, state="LOST")], {})


@pytest.mark.parametrize("name", ["spark.yarn.jars", "spark.yarn.archive", "spark.master"])
def test_what_would_break_it_is_not_for_users_to_set(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not for users to set"):
        session.checked({name: "x"})
