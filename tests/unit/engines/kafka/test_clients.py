"""Clients that meet nobody, or print what they know; and a site's own Kafka that can't be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engines.kafka import connect
from pilothouse.engines.kafka.clients import Configuration, credentials, reached
from pilothouse.errors import InvalidInput, Unavailable

NOBODY = "127.0.0.1:1"


def test_what_is_printed_of_a_configuration_has_no_password() -> None:
    configuration = Configuration(credentials("h:1", "me", "hidden", "SCRAM-SHA-256", "SASL_PLAINTEXT"))
    assert "hidden" not in repr(configuration) + str(configuration)
    assert configuration["sasl.password"] == "hidden"
    assert dict(configuration)["sasl.username"] == "me"


def test_nobody_there_is_said_in_time() -> None:
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=NOBODY):
        reached(credentials(NOBODY, "", "", "PLAIN", "PLAINTEXT"), 1.0)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"address": "broker"}, "address"),
        ({"address": ""}, "address"),
        ({"mechanism": "MD5"}, "mechanism"),
        ({"protocol": "TLS"}, "protocol"),
        ({"username": "me"}, "password_file"),
        ({"protocol": "SASL_SSL"}, "protocol"),
    ],
)
def test_a_site_s_kafka_that_can_not_be_is_refused_by_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        connect(**{"address": NOBODY, **options})
    assert refused.value.field == field


def test_a_password_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hidden\n")
    file.chmod(0o644)
    with pytest.raises(InvalidInput, match="chmod 600"):
        connect(NOBODY, username="me", password_file=file)
    file.chmod(0o600)
    file.write_text("\n")
    with pytest.raises(InvalidInput, match="empty"):
        connect(NOBODY, username="me", password_file=file)
    with pytest.raises(InvalidInput, match="No such file"):
        connect(NOBODY, username="me", password_file=tmp_path / "none")
