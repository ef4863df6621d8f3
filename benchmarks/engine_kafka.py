"""Kafka on a local pilot: until it serves, while it grows and shrinks, and beside the producer of Kafka's own tools."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.home import own_home
from benchmarks.numbered import Numbered
from benchmarks.rows import Row, compare, missing, within

STARTS = 5
#: Rounds of growing by one and giving it back: two moves each. With the kills of brokers, 22 changes.
ROUNDS, KILLS = 10, 2
#: Bytes of a message -> seconds that each side sends for, and what it waits for batches (ms).
SIZES = {2_000_000: (20.0, 5), 300_000: (20.0, 5), 1_000: (20.0, 20)}
TOOLS = "org.apache.kafka:kafka-tools:4.3.1"


def rows() -> list[Row]:
    """Measure."""
    if not find_spec("confluent_kafka") or not find_spec("kafka"):
        return [missing("Kafka", "confluent-kafka or kafka-python")]
    with own_home() as home:
        return _rows(home)


def _rows(folder: Path) -> list[Row]:
    import pilothouse as ph

    ph.engines.fetch("kafka")  # what is done once
    with ph.submit("local", name="kafka", nodes=2, memory="2 GiB").wait(timeout=60) as pilot:
        ready, stopped = zip(*(_from_start_to_stop(pilot) for _ in range(STARTS)), strict=True)
        kafka: Any = pilot.start("kafka", nodes=1)
        kafka.create("numbered", partitions=4)
        extended, found = _changes(kafka)
        faults = found.lost + found.doubled + found.disordered + found.refused
        kafka.stop()
        return [
            within("Kafka: start to first acknowledged message (s)", statistics.median(ready), 3.0),
            within("Kafka: stop, nothing left (s)", statistics.median(stopped), 3.0),
            within("Kafka: one broker more, its share of 4 partitions moved (s)", statistics.median(extended), 8.0),
            within(
                f"Kafka: lost, doubled, disordered or refused of {found.acknowledged} in {2 * ROUNDS} moves "
                f"and {KILLS} kills",
                float(faults), 0.0,
            ),
            within("Kafka: longest time without an acknowledgement meanwhile (s)", found.longest_gap, 15.0),
            *_beside_java(pilot, folder),
        ]  # fmt: skip


def _from_start_to_stop(pilot: Any) -> tuple[float, float]:
    begun = time.perf_counter()
    kafka = pilot.start("kafka", nodes=1)
    kafka.create("first", partitions=1)
    producer = kafka.producer(linger_ms=0)
    producer.produce("first", b"ahoy")
    assert producer.flush(30) == 0
    acknowledged = time.perf_counter()
    kafka.stop()
    return acknowledged - begun, time.perf_counter() - acknowledged


def _changes(kafka: Any) -> tuple[list[float], Any]:
    seconds = []
    with Numbered(kafka, "numbered", 4, rate=1000) as numbered:
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            kafka.extend(1).wait(timeout=120)
            seconds.append(time.perf_counter() - begun)
            kafka.shrink(1).wait(timeout=120)
        for _ in range(KILLS):
            there = numbered.acknowledged
            _broker(kafka).kill()
            while numbered.acknowledged < there + 2000:
                time.sleep(0.05)
    return seconds, numbered.found()


def _broker(kafka: Any) -> Any:
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "kafka.Kafka" in command and f"/{kafka.name}-" in command[-1]:
            return process
    raise RuntimeError("no broker is there")


# ---------------------------------------------------------------------- beside Kafka's own producer


def _beside_java(pilot: Any, folder: Path) -> list[Row]:
    what = "Kafka: seconds for as many messages as Java's producer sends"
    tools = _tools(folder)
    if tools is None:
        return [missing(what, TOOLS)]
    kafka = pilot.start("kafka", nodes=1, heap="1 GiB")
    try:
        found = []
        for size, (seconds, linger) in SIZES.items():
            java = _java(kafka, folder, tools, size, seconds, linger)
            ours = _ours(kafka, size, seconds, linger)
            found.append(compare(f"{what}, {size / 1000:g} kB", 1 / ours, 1 / java, 1.0))
        return found
    finally:
        kafka.stop()


def _tools(folder: Path) -> Path | None:
    """The jar of Kafka's own measuring programs, which the engine does not need."""
    from jgo.maven import MavenContext

    try:
        found: Path = MavenContext(repo_cache=folder / "repository").create_dependency(TOOLS).artifact.resolve()
    except (OSError, RuntimeError, AssertionError):
        return None
    return found


def _payload(size: int) -> bytes:
    return os.urandom(size)  # that does not get smaller: both are to move the same bytes


def _ours(kafka: Any, size: int, seconds: float, linger: int) -> float:
    """Messages a second, after a fifth of the time to get warm."""
    topic, payload = f"ours-{size}", _payload(size)
    kafka.create(topic, partitions=4, file_delete_delay_ms=1000)
    producer = kafka.producer(compression_type="none", linger_ms=linger)
    came, begun, counted_from = 0, time.perf_counter(), 0.0
    acknowledged = 0

    def told(error: Any, _: Any) -> None:
        nonlocal acknowledged
        assert error is None, error
        acknowledged += 1

    while time.perf_counter() - begun < 1.2 * seconds:
        if not counted_from and time.perf_counter() - begun > 0.2 * seconds:
            counted_from, came = time.perf_counter(), acknowledged
        try:
            producer.produce(topic, payload, on_delivery=told)
            producer.poll(0)
        except BufferError:
            producer.poll(0.01)
    ended, rate = time.perf_counter(), acknowledged - came
    producer.flush(60)
    _remove(kafka, topic)
    return rate / (ended - counted_from)


def _remove(kafka: Any, topic: str) -> None:
    """With what was sent to it: gigabytes."""
    client = kafka.client()  # what has no name is gone before it has an answer
    client.delete_topics([topic])[topic].result(timeout=60)


def _java(kafka: Any, folder: Path, tools: Path, size: int, seconds: float, linger: int) -> float:
    """Messages a second of ``ProducerPerformance``, after a sixth of them in which its compiler gets warm."""
    topic = f"java-{size}"
    kafka.create(topic, partitions=4, file_delete_delay_ms=1000)
    options = {
        "bootstrap.servers": kafka.address, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="pilot" password="{kafka.secrets["password"]}";',
        "acks": "all", "enable.idempotence": "true", "compression.type": "none", "linger.ms": str(linger),
        "batch.size": "1000000", "max.request.size": "16000000", "buffer.memory": str(256 << 20),
    }  # fmt: skip
    properties = folder / "producer.properties"
    properties.touch(mode=0o600)
    properties.write_text("".join(f"{name}={value}\n" for name, value in options.items()))
    short = 300_000_000 // size
    rate = _performance(properties, tools, topic, size, short, 0)
    count = int(1.2 * max(rate * seconds, short))
    rate = _performance(properties, tools, topic, size, count, count // 6)
    _remove(kafka, topic)
    return rate


def _performance(properties: Path, tools: Path, topic: str, size: int, count: int, warm_up: int) -> float:
    from pilothouse.engines.jvm.command import command
    from pilothouse.engines.jvm.jars import jars
    from pilothouse.engines.jvm.java import java

    argv = command(
        java(17), [tools, *jars("kafka")], "org.apache.kafka.tools.ProducerPerformance",
        "--topic", topic, "--num-records", str(count), "--record-size", str(size), "--throughput", "-1",
        *(["--warmup-records", str(warm_up)] if warm_up else []), "--command-config", str(properties),
        heap=1 << 30,
    )  # fmt: skip
    return _rate(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def _rate(line: str) -> float:
    """Of ``12000 records sent, 730.6 records/sec (1393.62 MB/sec), ...``."""
    return float(line.split(" records/sec")[0].rpartition(" ")[2].replace(",", "."))
