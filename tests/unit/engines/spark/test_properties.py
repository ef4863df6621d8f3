"""Spark's properties: those that users may set, and the file with secrets in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.engines.settings import checked
from pilothouse.engines.spark.properties import properties, write
from pilothouse.engines.spark.settings import SparkSettings
from pilothouse.errors import InvalidInput


def test_values_are_written_as_spark_reads_them() -> None:
    given = {"spark.sql.shuffle.partitions": 8, "spark.speculation": True, "spark.task.cpus": "2"}
    assert properties(given, secrets=False) == {
        "spark.sql.shuffle.partitions": "8", "spark.speculation": "true", "spark.task.cpus": "2"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sql.shuffle.partitions", "no property of Spark's"),
        ("spark.a b", "no property of Spark's"),
        ("spark.authenticate", "not for users to set"),
        ("spark.authenticate.secret", "not for users to set"),
        ("spark.master", "not for users to set"),
        ("spark.ui.enabled", "not for users to set"),
        ("spark.driver.host", "not for users to set"),
    ],
)
def test_what_would_break_a_service_or_open_it_is_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        properties({name: "x"}, secrets=True)


def test_a_secret_is_for_the_session_and_not_for_the_service() -> None:
    secret = {"spark.hadoop.fs.s3a.secret.key": "k"}
    assert properties(secret, secrets=True) == secret
    with pytest.raises(InvalidInput, match=r"looks like a secret.*\.client\(conf\)") as caught:
        checked("spark", SparkSettings, {"conf": secret})
    assert caught.value.field == "conf"
    with pytest.raises(ValueError, match="a number"):
        properties({"spark.a": ["x"]}, secrets=True)


def test_the_file_is_the_users_alone_and_keeps_every_sign(tmp_path: Path) -> None:
    path = tmp_path / "spark-defaults.conf"
    write(path, {"spark.a": "x\\y=z #1\nnext", "spark.b": "plain"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "spark.a=x\\\\y=z #1\\nnext\nspark.b=plain\n"
    write(path, {"spark.a": "new"})
    assert [each.name for each in tmp_path.iterdir()] == ["spark-defaults.conf"]


def test_an_executor_fits_a_node_and_is_as_large_as_spark_wants_it() -> None:
    with pytest.raises(InvalidInput, match=r"executor_memory \(2048 MiB\) is more than .* memory \(1024 MiB\)"):
        checked("spark", SparkSettings, {"memory": "1 GiB", "executor_memory": "2 GiB"})
    with pytest.raises(InvalidInput, match="memory=") as caught:
        checked("spark", SparkSettings, {"memory": "100 MiB"})
    assert caught.value.field == "memory"
    read = checked("spark", SparkSettings, {"memory": "1 GiB"}).model_dump(mode="json")
    assert read["memory"] == 1 << 30
    assert checked("spark", SparkSettings, read).model_dump(mode="json") == read
