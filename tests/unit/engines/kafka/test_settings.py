"""What users may set, and what becomes of it in the broker's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilothouse.engines.kafka.properties import Own, at, replicas, server
from pilothouse.engines.kafka.settings import KafkaSettings
from pilothouse.engines.settings import checked
from pilothouse.errors import InvalidInput

SECRETS = {"password": "open", "node": "sesame", "cluster": "c"}


def settings(**values: Any) -> dict[str, Any]:
    return checked("kafka", KafkaSettings, values).model_dump(mode="json")


def written(nodes: int = 1, **values: Any) -> dict[str, str]:
    own = Own(2, "127.0.0.1", 9092, 9093, Path("/data"))
    text = server(own, ["127.0.0.1:7", "127.0.0.1:9093"], nodes, settings(**values), SECRETS)
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"heap": "3 MiB"}, r"heap='3 MiB': input should be greater than or equal to 128 MiB$"),
        ({"heap": "1 MiB"}, "heap"),
        ({"partitions": 0}, "partitions"),
        ({"replication": 0}, "replication"),
        ({"retention": "1s"}, "retention"),
        ({"brokers": 3}, "no such setting"),
        ({"session_timeout": 0.1}, "session_timeout"),
    ],
)
def test_what_can_not_be_is_refused_by_name(value: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        settings(**value)


def test_each_setting_is_described_for_forms() -> None:
    for name, field in KafkaSettings.model_json_schema()["properties"].items():
        assert field["title"], name
        assert field["description"].endswith("."), name


def test_values_are_written_as_people_write_them() -> None:
    found = written(retention="12h", message="32 MiB", retention_size="2 GiB", partitions=9)
    assert found["log.retention.ms"] == str(12 * 3_600_000)
    assert found["message.max.bytes"] == found["replica.fetch.max.bytes"] == str(32 << 20)
    assert found["log.retention.bytes"] == str(2 << 30)
    assert found["num.partitions"] == "9"
    assert written()["log.retention.bytes"] == "-1"


def test_replicas_follow_the_nodes_up_to_three_or_to_what_is_wanted() -> None:
    assert [replicas(None, nodes) for nodes in (1, 2, 3, 9)] == [1, 2, 3, 3]
    assert [replicas(2, nodes) for nodes in (1, 2, 3)] == [1, 2, 2]
    assert written(3)["default.replication.factor"] == "3"
    assert written(3)["transaction.state.log.min.isr"] == "2"


def test_every_listener_is_the_member_s_own_and_asks_who_comes() -> None:
    found = written()
    assert found["listeners"] == found["advertised.listeners"] == "BROKER://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert "PLAINTEXT," not in found["listener.security.protocol.map"].replace("SASL_PLAINTEXT", "")
    assert found["authorizer.class.name"].endswith("StandardAuthorizer")
    assert 'password="open"' in found["listener.name.broker.scram-sha-256.sasl.jaas.config"]
    assert 'user_node="sesame"' in found["listener.name.controller.plain.sasl.jaas.config"]
    assert not [name for name in found if "jmx" in name.lower()]


def test_all_known_controllers_are_asked() -> None:
    assert written()["controller.quorum.bootstrap.servers"] == "127.0.0.1:7,127.0.0.1:9093"
    assert at("fe80::1", 7) == "[fe80::1]:7"


def test_a_kept_folder_is_absolute() -> None:
    assert settings(keep="~/kafka")["keep"] == str(Path("~/kafka").expanduser())
    assert settings()["keep"] is None
