"""How Spark reads and writes a Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilothouse.errors import InvalidInput

_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


def options(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Options of Spark's source and sink ``kafka``, from the settings of librdkafka that have the same meaning.

    Raises
    ------
    InvalidInput
        It is none of our Kafkas, or one that lets clients in by other means than name and password.
    """
    protocol, mechanism = configuration.get("security.protocol", "PLAINTEXT"), configuration.get("sasl.mechanism", "")
    read = {
        "kafka.bootstrap.servers": str(configuration["bootstrap.servers"]),
        "kafka.security.protocol": str(protocol),
    }
    if str(protocol).startswith("SASL_"):
        if mechanism not in _MODULES:
            raise InvalidInput(
                f"kafka: sasl.mechanism={mechanism!r}; Spark is told of {', '.join(_MODULES)} here", field="kafka"
            )
        user, password = (_quoted(str(configuration[name])) for name in ("sasl.username", "sasl.password"))
        read["kafka.sasl.mechanism"] = str(mechanism)
        read["kafka.sasl.jaas.config"] = f"{_MODULES[mechanism]} required username={user} password={password};"
    return read


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
