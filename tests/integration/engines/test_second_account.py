"""Another account of the host, and a client without the secret, reach no service. Needs root, who can be another."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import pilothouse as ph
from pilothouse.errors import Refused
from pilothouse.registry.records import PILOTS
from tests.another_account import NOBODY, as_nobody, is_shown, needs_root, open_files
from tests.listening import addresses, listeners
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.kafka.service import KafkaService
    from pilothouse.pilots import Pilot

pytestmark = needs_root

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


#: Speaks TLS with a server as another account, without a certificate of its own.
TLS = """
import encodings.idna, os, socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
try:
    with socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=10) as line:
        with context.wrap_socket(line) as secret:
            print("LET IN" if secret.recv(100) else "REFUSED")
except (ssl.SSLError, ConnectionResetError):
    print("REFUSED")
"""


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
    (java,) = _brokers(kafka)
    assert not is_shown(password)
    scratch = Path(os.readlink(f"/proc/{java}/cwd"))
    for path in (kafka.folder / "secrets.json", kafka.folder / "service.json", scratch / "server.properties"):
        assert path.exists()
    assert open_files(kafka.folder, scratch) == []
    assert as_nobody("ls", str(scratch)).returncode != 0
    assert as_nobody("cat", f"/proc/{java}/environ").returncode != 0


def _brokers(kafka: KafkaService) -> list[int]:
    """The virtual machines that listen where a member is."""
    ports = {int(member["broker"].rpartition(":")[2]) for member in kafka.members}
    java = [p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == "java"]
    return [pid for pid in java if ports & {listener.port for listener in listeners(pid)}]


def test_a_services_ports_are_on_loopback_alone(kafka: KafkaService) -> None:
    assert {address for pid in _brokers(kafka) for address in addresses(pid)} == {"127.0.0.1"}


@pytest.fixture
def person() -> Iterator[int]:
    """The number of another person's account, who has a process on this host."""
    with subprocess.Popen(["sleep", "600"], user=54_321, group=54_321, extra_groups=[]) as process:
        yield 54_321
        process.kill()


@pytest.mark.parametrize("engine", ["hdfs", "yarn"])
def test_an_engine_without_secrets_is_not_started_beside_another_person(
    local_pilot: Pilot, person: int, engine: str
) -> None:
    with pytest.raises(Refused, match=rf"user {person}.* processes? on this host.*unprotected=True"):
        local_pilot.start(engine)
    assert not [run for run in local_pilot.runs() if run.name.startswith(engine)]


@pytest.mark.engines
def test_calls_and_ranks_of_a_pilot_are_nobody_elses(local_pilot: Pilot, tmp_path: Path) -> None:
    secret, go = f"ahoy-{os.urandom(8).hex()}", tmp_path / "go"

    def wait(said: str, begun: Path) -> str:
        begun.touch()
        while not go.exists():
            time.sleep(0.05)
        return said

    def rank(comm: Any, said: str) -> str:
        return wait(said, tmp_path / f"rank-{comm.rank}")

    begun = [tmp_path / "rank-0", tmp_path / "rank-1", tmp_path / "call"]
    with local_pilot.executor() as executor:
        ranks = local_pilot.mpi(rank, secret, ranks=2)
        call = executor.submit(wait, secret, begun[-1])
        eventually(lambda: all(file.exists() for file in begun), "their beginning")
        assert not is_shown(secret)
        shared = [file for file in Path("/dev/shm").glob("*mpi*") if file.is_file()]
        assert open_files(ranks.folder, PILOTS.folder(local_pilot.name)) == []
        assert [file for file in shared if stat.S_IMODE(file.stat().st_mode) & 0o077] == []
        go.touch()
        assert call.result(60) == secret
        assert ranks.result(60) == [secret, secret]


def test_a_scheduler_speaks_to_nobody_without_the_pilots_certificate(local_pilot: Pilot) -> None:
    host, _, port = str(local_pilot.client().scheduler.address).removeprefix("tls://").rpartition(":")
    answer = subprocess.run(
        [sys.executable, "-c", TLS, str(NOBODY), host, port], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout == "REFUSED\n"
