"""How Spark is told of a Kafka."""

from __future__ import annotations

import pytest

from pilothouse.engines.spark.kafka import options
from pilothouse.errors import InvalidInput

LOGIN = {
    "bootstrap.servers": "127.0.0.1:9092", "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256",
    "sasl.username": "pilot", "sasl.password": 'a"b\\c',
}  # fmt: skip


def test_credentials_are_spelled_as_java_reads_them() -> None:
    found = options(LOGIN)
    assert found["kafka.bootstrap.servers"] == "127.0.0.1:9092"
    assert found["kafka.sasl.mechanism"] == "SCRAM-SHA-256"
    assert found["kafka.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="pilot" password="a\\"b\\\\c";'
    )


def test_one_without_credentials_needs_none() -> None:
    assert options({"bootstrap.servers": "k:1"}) == {
        "kafka.bootstrap.servers": "k:1", "kafka.security.protocol": "PLAINTEXT"
    }  # fmt: skip


def test_another_way_to_log_in_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"sasl.mechanism='OAUTHBEARER'") as caught:
        options({**LOGIN, "sasl.mechanism": "OAUTHBEARER"})
    assert caught.value.field == "kafka"
