"""A real Kafka on a local pilot: one broker, then more, then fewer, while messages are numbered and counted."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import pilothouse as ph
from benchmarks.numbered import Found, Numbered
from pilothouse import remains
from pilothouse.engines.kafka import connect
from pilothouse.errors import Conflict, Failed, InvalidInput, Refused, Unavailable
from tests.waiting import eventually

if TYPE_CHECKING:
    from pilothouse.engines.kafka.service import KafkaService
    from pilothouse.pilots import Pilot

SMALL = {"heap": "192 MiB", "session_timeout": 4.0}
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def pilot(_private_places: None) -> Iterator[Pilot]:
    """One of three nodes for the tests of this file; leave it as you found it."""
    with ph.submit("local", name="brokers", nodes=3, memory="1 GiB", lease="1h").wait(timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def kafka(pilot: Pilot) -> Iterator[KafkaService]:
    """One that begins with one broker; tests of this file leave it with one."""
    service: Any = pilot.start("kafka", nodes=1, **SMALL)
    service.wait(timeout=PATIENCE_S)
    yield service
    service.stop()


def java(service: KafkaService) -> list[psutil.Process]:
    """The brokers' processes: those whose files are in the service's folders on the pilot's nodes."""
    return [
        p for p in psutil.process_iter(["cmdline"])
        if "kafka.Kafka" in (p.info["cmdline"] or ()) and _is_of(service, p.info["cmdline"][-1])
    ]  # fmt: skip


def _is_of(service: KafkaService, path: str) -> bool:
    """Other tests, beside these, have a service of that name, too, on pilots of other names."""
    return f"/{service.pilot}-" in path and f"/{service.name}-" in path


def whole(found: Found) -> bool:
    return found.acknowledged > 0 and (found.lost, found.doubled, found.disordered, found.refused) == (0, 0, 0, 0)


def replicas(service: KafkaService) -> dict[str, list[list[int]]]:
    topics = service.client().list_topics(timeout=10).topics
    return {name: [list(part.replicas) for part in topic.partitions.values()] for name, topic in topics.items()}


def copies_are_whole(service: KafkaService) -> bool:
    """Whether each replica has all that its partition has."""
    topics = service.client().list_topics(timeout=10).topics.values()
    return all(set(part.isrs) == set(part.replicas) for topic in topics for part in topic.partitions.values())


def events(service: KafkaService, what: str) -> list[dict[str, Any]]:
    return [event for event in service.events() if event["what"] == what]


# ---------------------------------------------------------------------- one broker


def test_messages_go_through_and_arrive_at_once(kafka: KafkaService) -> None:
    kafka.create("greetings", partitions=2, retention_ms=3_600_000)
    assert kafka.topics()["greetings"] == 2
    producer = kafka.producer(linger_ms=0)
    begun = time.monotonic()
    producer.produce("greetings", b"ahoy", key=b"k")
    assert producer.flush(10) == 0
    consumer = ph.attach(kafka.name).consumer("crew")
    consumer.subscribe(["greetings"])
    (message,) = [*eventually(lambda: consumer.consume(1, 0.5), "the message")]
    consumer.close()
    assert (message.value(), message.key()) == (b"ahoy", b"k")
    assert time.monotonic() - begun < 30
    with pytest.raises(Conflict, match="one of that name"):
        kafka.create("greetings")
    with pytest.raises(Refused, match="eplication"):
        kafka.create("wide", replication=3)
    with pytest.raises(Refused):
        kafka.create("no/such name")


def test_a_topic_is_made_by_the_first_message_to_it_and_by_no_consumer(kafka: KafkaService) -> None:
    told: list[Any] = []
    producer = kafka.producer()
    producer.produce("new", b"", on_delivery=lambda error, _: told.append(error))
    producer.flush(20)
    assert told == [None]
    assert kafka.topics()["new"] == 4
    consumer = kafka.consumer("lost")
    consumer.subscribe(["gnu"])
    (message,) = [*eventually(lambda: consumer.consume(1, 0.5), "the error")]
    consumer.close()
    assert "Unknown topic" in message.error().str()
    assert "gnu" not in kafka.topics()


def test_nobody_gets_in_without_the_secret_and_learns_why_at_once(kafka: KafkaService, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text("guessed\n")
    for options in (
        {"username": "pilot", "password_file": file, "mechanism": "SCRAM-SHA-256"},
        {"username": "nobody", "password_file": file, "mechanism": "SCRAM-SHA-256"},
        {"username": "pilot", "password_file": file, "mechanism": "PLAIN"},
    ):
        begun = time.monotonic()
        with pytest.raises(Refused, match="does not let"):
            connect(kafka.address, **options)
        assert time.monotonic() - begun < 9.0  # before the time-out
    for member in kafka.members:
        for end_point in (member["broker"], member["controller"]):
            assert _said_to_a_stranger(end_point) == b""


def _said_to_a_stranger(end_point: str) -> bytes:
    """What an unauthenticated request for metadata is answered."""
    host, _, port = end_point.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(bytes.fromhex("0000000e00030001000000010000ffffffff"))
        return line.recv(100)


def test_a_kafka_of_a_site_is_used_by_address_and_a_file_with_the_password(kafka: KafkaService, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text(kafka.secrets["password"] + "\n")
    there = connect(kafka.address, username="pilot", password_file=file, mechanism="SCRAM-SHA-256")
    assert (there.state, there.reason) == ("running", "")
    assert there.topics() == kafka.topics()
    assert there.nodes == kafka.address.split(",")
    there.client()
    assert kafka.secrets["password"] not in repr(there) + repr(there.configuration)
    with pytest.raises(Conflict, match="run by its site"):
        there.extend(1)
    with pytest.raises(Conflict, match="connect there"):
        pickle.dumps(there)


def test_secrets_are_on_no_command_line_in_no_log_and_in_no_record(kafka: KafkaService) -> None:
    hidden = [kafka.secrets["password"], kafka.secrets["node"]]
    (process,) = java(kafka)
    shown = [
        *process.cmdline(), *process.environ().values(), kafka.logs(), kafka.record.model_dump_json(),
        str(kafka.members), str(kafka.events()), repr(kafka.configuration), repr(kafka),
    ]  # fmt: skip
    assert not [text for text in shown if any(secret in text for secret in hidden)]
    properties = Path(process.cmdline()[-1])
    assert properties.stat().st_mode & 0o777 == 0o600
    assert properties.parent.stat().st_mode & 0o777 == 0o700


def test_listeners_are_on_the_node_s_own_address_only(kafka: KafkaService) -> None:
    (process,) = java(kafka)
    listens = {line.laddr.ip for line in process.net_connections("inet") if line.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in listens} == {"127.0.0.1"}


def test_figures_follow_what_is_produced_and_read(kafka: KafkaService) -> None:
    kafka.create("figures", partitions=1)
    before = eventually(lambda: _figures(kafka, "leaders"), "the first figures") and kafka.metrics()
    begun = {name: sum(each[name] for each in before.values()) for name in ("bytes_in", "messages_in")}
    producer = kafka.producer(compression_type="none")
    for _ in range(3000):
        producer.produce("figures", os.urandom(1000))
    producer.flush(30)
    eventually(lambda: _figures(kafka, "messages_in") >= begun["messages_in"] + 3000, "messages", 20)
    eventually(lambda: _figures(kafka, "bytes_in") >= begun["bytes_in"] + 3e6, "bytes", 20)
    assert _figures(kafka, "under_replicated") == 0
    assert _figures(kafka, "disk_used") >= 3e6
    out = _figures(kafka, "bytes_out")
    consumer = kafka.consumer("reader")
    consumer.subscribe(["figures"])
    eventually(lambda: consumer.consume(1000, 0.2), "messages")
    eventually(lambda: consumer.consume(1000, 0.2) or _figures(kafka, "bytes_out") > out + 1e6, "bytes out", 20)
    consumer.close()


def _figures(service: KafkaService, name: str) -> float:
    return sum(each.get(name, 0.0) for each in service.metrics().values())


def test_a_killed_broker_comes_back_with_all_that_was_acknowledged(kafka: KafkaService) -> None:
    kafka.create("durable", partitions=2)
    address = kafka.address
    with Numbered(kafka, "durable", 2) as numbered:
        eventually(lambda: numbered.acknowledged > 200, "messages", 30)
        (process,) = java(kafka)
        process.kill()
        eventually(lambda: events(kafka, "daemon died"), "its end")
        there = numbered.acknowledged
        eventually(lambda: numbered.acknowledged > there + 200, "messages again", PATIENCE_S)
    assert whole(numbered.found()), numbered.found()
    assert events(kafka, "daemon died")[0]["code"] == -signal.SIGKILL
    assert kafka.address == address


def test_a_killed_member_is_followed_by_one_with_its_data_and_ports(kafka: KafkaService) -> None:
    kafka.create("inherited", partitions=1)
    address, (process,) = kafka.address, java(kafka)
    producer = kafka.producer()
    producer.produce("inherited", b"1")
    assert producer.flush(10) == 0
    psutil.Process(process.ppid()).kill()
    eventually(lambda: events(kafka, "member died"), "its end")
    kafka.wait(timeout=PATIENCE_S)
    eventually(lambda: not remains.is_running(process), "the end of the broker before")
    assert kafka.address == address
    assert kafka.topics()["inherited"] == 1
    consumer = kafka.consumer("heirs")
    consumer.subscribe(["inherited"])
    assert next(iter(eventually(lambda: consumer.consume(1, 0.5), "the message", 30))).value() == b"1"
    consumer.close()


# ---------------------------------------------------------------------- more brokers, fewer brokers


def test_growing_to_three_and_shrinking_to_one_loses_nothing_and_doubles_nothing(kafka: KafkaService) -> None:
    kafka.create("moved", partitions=4)
    with Numbered(kafka, "moved", 4, rate=500) as numbered:
        eventually(lambda: numbered.acknowledged > 500, "messages", 30)
        kafka.extend(2).wait(timeout=PATIENCE_S)
        assert len(kafka.address.split(",")) == 3
        on = replicas(kafka)
        assert len({broker for part in on["moved"] for broker in part}) == 3
        assert {len(part) for part in on["__consumer_offsets"]} == {3}
        assert {len(part) for part in on["moved"]} == {1}
        assert kafka.replicate("moved", 2)["partitions"] == 4
        assert {len(set(part)) for part in replicas(kafka)["moved"]} == {2}
        kafka.create("safe", partitions=2)
        assert {len(part) for part in replicas(kafka)["safe"]} == {3}
        with pytest.raises(InvalidInput, match="1 to 3"):
            kafka.replicate("moved", 4)
        with pytest.raises(InvalidInput, match="none of that name"):
            kafka.replicate("mooved", 2)
        victim = next(p for p in java(kafka) if f"/{kafka.name}-2/" in p.cmdline()[-1])
        victim.kill()  # others take over meanwhile
        there = numbered.acknowledged
        eventually(lambda: not copies_are_whole(kafka), "the controllers' notice of it", PATIENCE_S)
        eventually(lambda: numbered.acknowledged > there + 500, "messages again", PATIENCE_S)
        eventually(lambda: copies_are_whole(kafka), "copies", PATIENCE_S)
        kafka.shrink(2).wait(timeout=PATIENCE_S)
        assert len(kafka.nodes) == 1
        assert {broker for parts in replicas(kafka).values() for part in parts for broker in part} == {1}
    found = numbered.found()
    assert whole(found), found
    assert len(java(kafka)) == 1
    assert kafka.rebalance() == {"partitions": 0, "bytes": 0}
    with pytest.raises(Conflict, match=r"needs 1; stop\(\) ends it"):
        kafka.shrink(1)


# ---------------------------------------------------------------------- what can't be, and what stays


def test_what_does_not_fit_or_is_taken_is_refused_before_or_with_the_reason(pilot: Pilot) -> None:
    with pytest.raises(InvalidInput, match="has 1024 MiB") as refused:
        pilot.start("kafka", heap="2 GiB")
    assert refused.value.field == "heap"
    with socket.create_server(("127.0.0.1", 0)) as other:
        service = pilot.start("kafka", name="taken", port=other.getsockname()[1], **SMALL)
        with pytest.raises(Failed, match=f"port {other.getsockname()[1]} of 127.0.0.1 .* in use"):
            service.wait(timeout=PATIENCE_S)
    assert not java(service)  # type: ignore[arg-type]


def test_without_java_or_clients_nothing_is_launched(pilot: Pilot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_JAVA", "/no/such/java")
    with pytest.raises((InvalidInput, Unavailable), match="/no/such/java"):
        pilot.start("kafka", name="nojava")
    assert "nojava" not in [run.name for run in pilot.runs()]


def test_what_is_kept_is_gone_on_with_and_all_else_is_gone_after_stop(pilot: Pilot, tmp_path: Path) -> None:
    first: Any = pilot.start("kafka", keep=str(tmp_path / "kafka"), **SMALL)
    first.create("notes", partitions=1)
    producer = first.producer()
    producer.produce("notes", b"remember")
    assert producer.flush(10) == 0
    (process,) = java(first)
    scratch = Path(process.cmdline()[-1]).parent
    first.stop()
    assert not remains.is_running(process)
    assert not scratch.exists()
    with pytest.raises(InvalidInput, match="nodes=1, then"):
        pilot.start("kafka", nodes=2, keep=str(tmp_path / "kafka"), **SMALL)
    second: Any = pilot.start("kafka", keep=str(tmp_path / "kafka"), **SMALL)
    assert second.secrets["password"] == first.secrets["password"]
    assert second.topics() == {"notes": 1}
    consumer = second.consumer("again")
    consumer.subscribe(["notes"])
    assert next(iter(eventually(lambda: consumer.consume(1, 0.5), "the message", 30))).value() == b"remember"
    second.stop()
    begun = time.monotonic()
    consumer.close()  # nobody takes its offset any more; librdkafka tries for 45 s
    assert time.monotonic() - begun < 20


def test_a_node_that_is_renewed_hands_over_its_partitions_and_its_vote() -> None:
    with ph.submit("local", name="renewed", nodes=1, memory="1 GiB", lease="1h").wait(timeout=60) as pilot:
        kafka: Any = pilot.start("kafka", nodes=1, **SMALL)
        kafka.create("moved", partitions=2)
        before = kafka.nodes
        with Numbered(kafka, "moved", 2, rate=500) as numbered:
            eventually(lambda: numbered.acknowledged > 500, "messages", 30)
            pilot.renew()
            eventually(lambda: events(kafka, "forget done"), "the broker before to leave", PATIENCE_S)
            there = numbered.acknowledged
            eventually(lambda: numbered.acknowledged > there + 500, "messages from the new one", 30)
        assert not set(kafka.nodes) & set(before)
        assert [member["role"] for member in kafka.members] == ["controller"]
        kafka.create("new", partitions=1)  # somebody keeps the metadata
        found = numbered.found()
        assert whole(found), found
        kafka.stop()
