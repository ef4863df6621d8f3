"""What Kafka's StorageTool writes into an empty data folder, without starting a Java for it.

A snapshot of the metadata log that has the versions of the cluster's features and, on the member that founds the
cluster, its only voter and the user that may do everything. It is what ``StorageTool format --feature
eligible.leader.replicas.version=0`` of the release that the jars are locked to writes, byte for byte but for the time;
a test holds the two beside each other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

#: Of Kafka 4.4: ``StorageTool version-mapping``, without ``eligible.leader.replicas.version`` (KIP-966). With that a
#: broker that gave a partition away may stay eligible to lead it, and the one that has it now no longer is after it was
#: killed; and who is eligible is forgotten whenever ``min.insync.replicas`` is set, even to what it was.
FEATURES = {
    "metadata.version": 33,
    "group.version": 1,
    "share.version": 2,
    "streams.version": 1,
    "transaction.version": 2,
}
#: The fewest that Kafka takes; a password that is random needs no more.
ITERATIONS = 4096
LOG = "__cluster_metadata-0"
SNAPSHOT = f"{0:020d}-{0:010d}.checkpoint"
META = "meta.properties"
#: Types of control records, and of records of the metadata log; SCRAM-SHA-256.
HEADER, FOOTER, KRAFT_VERSION, VOTERS = 3, 4, 5, 6
FEATURE, SCRAM, SHA_256 = 12, 11, 1
CONTROL, OF_CONTROL = 0x20, -1


class Founder(NamedTuple):
    """What only the member that founds a cluster writes: its voter's end point, and the first user."""

    host: str
    port: int
    user: str
    password: str


def new_id() -> str:
    """A cluster's, or a folder's: 16 random bytes as Kafka writes them."""
    while (made := _text(uuid.uuid4().bytes)).startswith("-"):
        pass  # Kafka's own tools take these for options
    return made


def read_meta(data: Path) -> dict[str, str]:
    """What is known of a data folder: ``cluster.id``, ``node.id``, ``directory.id``; empty where there is none."""
    try:
        lines = (data / META).read_text().splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def format_folder(data: Path, cluster: str, node: int, founder: Founder | None, salt: bytes = b"") -> None:
    """Make an empty folder one that Kafka starts from. What tells that it is, is written last."""
    directory = new_id()
    log = data / LOG
    log.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(log / SNAPSHOT, snapshot(directory, node, founder, salt or os.urandom(16), int(time.time() * 1000)))
    meta = {"node.id": node, "directory.id": directory, "version": 1, "cluster.id": cluster}
    _write(data / META, "".join(f"{name}={value}\n" for name, value in meta.items()).encode())


def snapshot(directory: str, node: int, founder: Founder | None, salt: bytes, now: int) -> bytes:
    """The first snapshot of a metadata log; `now` in milliseconds."""
    control = [_control(KRAFT_VERSION, struct.pack(">hh", 0, 1) + b"\0")]
    records = [_metadata(FEATURE, _string(name) + struct.pack(">h", level) + b"\0") for name, level in FEATURES.items()]
    if founder is not None:
        end_point = _string("CONTROLLER") + _string(founder.host) + struct.pack(">H", founder.port) + b"\0"
        voter = struct.pack(">i", node) + _bytes_of(directory) + _varint(2) + end_point
        versions = struct.pack(">hh", 0, 1) + b"\0"  # of KRaft that this node can do
        control.append(_control(VOTERS, struct.pack(">h", 0) + _varint(2) + voter + versions + b"\0\0"))
        stored, server = scram_keys(founder.password, salt)
        user = _string(founder.user) + struct.pack(">b", SHA_256) + b"".join(map(_data, (salt, stored, server)))
        records.append(_metadata(SCRAM, user + struct.pack(">i", ITERATIONS) + b"\0"))
    header = _control(HEADER, struct.pack(">hq", 0, now) + b"\0")
    footer = _control(FOOTER, struct.pack(">h", 0) + b"\0")
    offset, batches = 0, b""
    for attributes, group in ((CONTROL, [header, *control]), (0, records), (CONTROL, [footer])):
        batches += _batch(offset, attributes, group, now)
        offset += len(group)
    return batches


def scram_keys(password: str, salt: bytes) -> tuple[bytes, bytes]:
    """What a server keeps of a password (RFC 5802): the stored key, the server key."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return stored, hmac.digest(salted, b"Server Key", "sha256")


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


# ---------------------------------------------------------------------- Kafka's own forms


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def _varint(value: int) -> bytes:
    """Without a sign."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _data(value: bytes) -> bytes:
    """With its length, one more, before it."""
    return _varint(len(value) + 1) + value


def _string(value: str) -> bytes:
    return _data(value.encode())


def _metadata(kind: int, body: bytes) -> tuple[bytes | None, bytes]:
    """A record of the metadata log: the version of the frame, the type, its version."""
    return None, _varint(1) + _varint(kind) + _varint(0) + body


def _control(kind: int, body: bytes) -> tuple[bytes | None, bytes]:
    return struct.pack(">hh", 0, kind), body


def _batch(offset: int, attributes: int, records: Sequence[tuple[bytes | None, bytes]], now: int) -> bytes:
    """A batch of records in Kafka's format 2."""
    written = b""
    for number, (key, value) in enumerate(records):
        keyed = _zigzag(-1) if key is None else _zigzag(len(key)) + key
        body = b"\0" + _zigzag(0) + _zigzag(number) + keyed + _zigzag(len(value)) + value + _zigzag(0)
        written += _zigzag(len(body)) + body
    counted = struct.pack(
        ">hiqqqhii", attributes, len(records) - 1, now, now, OF_CONTROL, OF_CONTROL, -1, len(records)
    ) + written  # fmt: skip
    after = struct.pack(">ibI", 0, 2, _crc32c(counted)) + counted  # leader epoch, format, checksum
    return struct.pack(">qi", offset, len(after)) + after


def _crc32c(data: bytes) -> int:
    """Castagnoli's checksum (RFC 3720), bit by bit: there are a few hundred bytes, once in a cluster's life."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
