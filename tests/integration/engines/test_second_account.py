"""Another account of the host, and a client without the secret, reach no service. Needs root, who can be another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pilothouse as ph
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.kafka.service import KafkaService

#: Of Debian's ``nobody``.
NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="another account is only root's to be")

#: Tries to read a topic of a Kafka, with credentials or none; prints what it is told.
READ = """
import sys, time
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
address, *settings = sys.argv[1:]
said = []
values = dict(zip(settings[::2], settings[1::2]))
told = {"error_cb": lambda error: said.append(error.str()), "log_level": 0}
client = AdminClient({"bootstrap.servers": address, **told, **values})
deadline = time.monotonic() + 6
while time.monotonic() < deadline:
    try:
        print("TOPICS", sorted(client.list_topics(timeout=1).topics))
        break
    except KafkaException as error:
        client.poll(0)
else:
    print("REFUSED", *said)
"""


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    """What a command prints that another account runs."""
    return subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, cwd="/",
    )  # fmt: skip


@pytest.fixture(scope="module")
def kafka(_private_places: None) -> Iterator[KafkaService]:
    with ph.submit("local", name="guarded", lease="30m").wait(timeout=60) as pilot:
        yield pilot.start("kafka").wait(timeout=120)


def test_the_owner_gets_in_and_others_do_not(kafka: KafkaService) -> None:
    kafka.create("mine", partitions=1)
    assert "mine" in kafka.topics()
    sasl = ("security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "SCRAM-SHA-256", "sasl.username")
    for settings in [(), (*sasl, "pilot", "sasl.password", "guessed"), (*sasl, "nobody", "sasl.password", "nobody")]:
        answer = subprocess.run(
            [sys.executable, "-c", READ, kafka.address, *settings],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert answer.stdout.startswith("REFUSED"), answer.stdout + answer.stderr
    assert "Authentication failed" in answer.stdout  # the reason, not a time-out


def test_another_account_finds_no_secret(kafka: KafkaService) -> None:
    password = kafka.secrets["password"]
    (broker,) = [member for member in kafka.members if member["role"] == "controller"]
    (java,) = [
        int(process)
        for process in os.listdir("/proc")
        if process.isdigit() and b"kafka.Kafka" in _bytes(f"/proc/{process}/cmdline") and _is_of(process, broker)
    ]
    assert password.encode() not in _bytes(f"/proc/{java}/cmdline")
    scratch = Path(os.readlink(f"/proc/{java}/cwd"))
    for path in (kafka.folder / "secrets.json", kafka.folder / "service.json", scratch / "server.properties"):
        assert path.exists()
        assert as_nobody("cat", str(path)).returncode != 0
    assert as_nobody("ls", str(scratch)).returncode != 0
    assert as_nobody("cat", f"/proc/{java}/environ").returncode != 0


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _is_of(process: str, broker: dict[str, str]) -> bool:
    """Whether this process listens where the broker does."""
    port = f"{int(broker['broker'].rpartition(':')[2]):04X}"
    return any(line.split()[1].endswith(f":{port}") for line in _listening(process))


def _listening(process: str) -> list[str]:
    sockets = set()
    for descriptor in Path(f"/proc/{process}/fd").glob("*"):
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    lines = [
        line for name in ("tcp", "tcp6") for line in _bytes(f"/proc/{process}/net/{name}").decode().splitlines()[1:]
    ]
    return [line for line in lines if line.split()[3] == "0A" and line.split()[9] in sockets]


def test_a_services_ports_are_on_loopback_alone(kafka: KafkaService) -> None:
    eventually(lambda: kafka.metrics(), "a live service")
    listening = [
        line.split()[1].partition(":")[0]
        for process in os.listdir("/proc")
        if process.isdigit() and b"kafka.Kafka" in _bytes(f"/proc/{process}/cmdline")
        if any(_is_of(process, member) for member in kafka.members)
        for line in _listening(process)
    ]
    assert listening
    # 127.0.0.1, as IPv4 and as IPv6 has it
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}
