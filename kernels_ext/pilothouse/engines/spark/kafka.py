"""How Spark reads and writes a Kafka service."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.errors import InvalidInput


def options(address: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Options of the source and the sink ``kafka`` for the brokers at `address`.

    Raises
    ------
    InvalidInput
        It is no Kafka that lets clients in by name and password.
    """
    from pilothouse.engines.kafka.properties import USER

    password = secrets.get("password", "")
    if not password:
        raise InvalidInput("kafka: a service of pilot.start('kafka', ...)", field="kafka")
    login = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "kafka.bootstrap.servers": address,
        "kafka.security.protocol": "SASL_PLAINTEXT",
        "kafka.sasl.mechanism": "SCRAM-SHA-256",
        "kafka.sasl.jaas.config": f"{login} required username={_quoted(USER)} password={_quoted(password)};",
    }


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
