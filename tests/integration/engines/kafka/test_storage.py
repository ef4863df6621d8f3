"""The folder that is made without Java is the one that Kafka's own tool makes."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest

from pilothouse.engines.jvm.command import command
from pilothouse.engines.jvm.jars import jars
from pilothouse.engines.jvm.java import java
from pilothouse.engines.kafka.properties import Own, server
from pilothouse.engines.kafka.settings import KafkaSettings
from pilothouse.engines.kafka.storage import ITERATIONS, LOG, SNAPSHOT, Founder, new_id, read_meta, snapshot

SECRETS = {"password": "pencil", "node": "n", "cluster": new_id()}


@pytest.mark.parametrize("founds", [True, False])
def test_a_snapshot_is_the_one_of_the_storage_tool(tmp_path: Path, founds: bool) -> None:
    own = Own(3, "127.0.0.1", 19092, 19093, tmp_path / "data")
    file = tmp_path / "server.properties"
    file.write_text(server(own, ["127.0.0.1:19093"], 1, KafkaSettings().model_dump(mode="json"), SECRETS))
    salt = bytes(range(16))
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, ITERATIONS)
    user = (
        f'SCRAM-SHA-256=[name=pilot,salt="{base64.b64encode(salt).decode()}",'
        f'saltedpassword="{base64.b64encode(salted).decode()}",iterations={ITERATIONS}]'
    )
    how = ["--standalone", "--add-scram", user] if founds else ["--no-initial-controllers"]
    argv = command(
        java(17), jars("kafka"), "kafka.tools.StorageTool", "format", "-t", SECRETS["cluster"], "-c", str(file), *how,
        "--feature", "eligible.leader.replicas.version=0", heap=256 << 20, options=["-XX:TieredStopAtLevel=1"],
    )  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    meta = read_meta(own.data)
    assert meta["version"] == "1"
    theirs = (own.data / LOG / SNAPSHOT).read_bytes()
    founder = Founder("127.0.0.1", 19093, "pilot", "pencil") if founds else None
    ours = snapshot(meta["directory.id"], 3, founder, salt, int(time.time() * 1000))
    assert without_times(ours) == without_times(theirs)


def without_times(batches: bytes) -> list[bytes]:
    """The batches without their checksums and times; the snapshot's own time is in its first record."""
    found = []
    while batches:
        _, length = struct.unpack_from(">qi", batches)
        batch, batches = batches[: 12 + length], batches[12 + length :]
        assert batch[16] == 2  # the format
        first, latest = struct.unpack_from(">qq", batch, 27)
        own = latest.to_bytes(8, "big")[:3]  # days apart at most
        records = re.sub(re.escape(own) + rb".{5}", b"(time)", batch[43:], flags=re.DOTALL)
        assert 0 <= latest - first < 1000
        found.append(batch[:17] + batch[21:27] + records)
    return found
