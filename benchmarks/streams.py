"""The embedded log against raw TCP, the message codec against pickle, streaming k-means against scikit-learn.

CPU-microseconds a message, both ends together, payload read to the last byte, in one run. The notes' bounds of 4 (at
0.3 MB) and 2.5 (at 2 MB) times raw TCP were set with a prototype on plain files, and allowed for more with LMDB. The
log writes into LMDB's map and uses its pages again while they are in cache, so 2.5 and 2 hold for it, checksums at
both ends included; TCP has none of the log's durability, order or offsets.
"""

from __future__ import annotations

import multiprocessing
import pickle
import socket
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.rows import Row, compare

#: Size (bytes) -> messages measured, after as many again unmeasured, messages a transaction (a divisor), bound.
SIZES = {300_000: (800, 8, 2.5), 2_000_000: (200, 4, 2.0)}
ROUNDS = 2


def _payload(size: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(np.random.default_rng(size).bytes(size), np.uint8)


def _touch(payload: npt.NDArray[np.uint8]) -> int:
    """Read every byte, as a computation would."""
    return int(payload.view(np.uint64).sum())


def _tcp_send(address: tuple[str, int], size: int, count: int, answer: Connection) -> None:
    payload = _payload(size)
    with socket.create_connection(address) as line:
        for i in range(2 * count):
            if i == count:
                begun = time.process_time()
            line.sendall(payload)
    answer.send(time.process_time() - begun)


def _tcp(size: int, count: int) -> float:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = context.Process(target=_tcp_send, args=(server.getsockname(), size, count, there))
        sender.start()
        line, _ = server.accept()
        buffer = np.empty(size, dtype=np.uint8)
        view = memoryview(buffer)
        with line:
            for i in range(2 * count):
                if i == count:
                    begun = time.process_time()
                got = 0
                while got < size:
                    got += line.recv_into(view[got:])
                _touch(buffer)
        spent = time.process_time() - begun
    spent += here.recv()
    sender.join()
    return spent / count * 1e6


def _log_send(folder: str, size: int, count: int, batch: int, answer: Connection) -> None:
    from pilothouse.streams.brokers.log import Log
    from pilothouse.streams.messages import Header, pack

    log = Log(Path(folder), partitions=1)
    payload = _payload(size)
    seq = 0
    while seq < 2 * count:
        if seq == count:
            begun = time.process_time()
        messages = [(pack(Header(bytes(16), i, 0, 1, 0, 0, size), payload), payload) for i in range(seq, seq + batch)]
        while messages:
            messages = messages[log.append(0, messages, producer="p", sent=log.sent(0, "p")) :]
            while log.tail(0) - log.join(0, "g").offset > 4 * batch:  # as much in flight as a socket's buffers hold
                time.sleep(0.0002)
        seq += batch
    answer.send(time.process_time() - begun)
    log.close()


def _log(size: int, count: int, batch: int) -> float:
    from pilothouse.streams.brokers.log import Log

    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder), partitions=1)
        position = log.join(0, "g")
        sender = context.Process(target=_log_send, args=(folder, size, count, batch, there))
        sender.start()
        begun = 0.0
        while position.offset < 2 * count and (sender.is_alive() or here.poll()):
            if position.offset >= count and not begun:
                begun, first = time.process_time(), position.offset
            offset = position.offset
            with log.read(0, offset, max_messages=batch) as messages:
                for message in messages:
                    _touch(np.frombuffer(message.payload, np.uint8))
                    offset = message.offset + 1
            if offset > position.offset:
                position = log.commit(0, "g", position, offset, b"")
            else:
                log.wait([0], 0.1)
        spent = (time.process_time() - begun) / (2 * count - first) * count
        spent += here.recv()
        sender.join()
        log.close()
    return spent / count * 1e6


def _cpu(work: Callable[[], object], seconds: float = 0.3) -> float:
    """CPU-microseconds of one call: the least of five series."""
    begun = time.process_time()
    work()
    count = max(1, int(seconds / 5 / max(time.process_time() - begun, 1e-6)))
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(count):
            work()
        best = min(best, (time.process_time() - begun) / count)
    return best * 1e6


def _codec() -> list[Row]:
    from pilothouse.streams.messages import Header, Schema, pack, unpack

    array = np.random.default_rng(1).standard_normal((5000, 3)).astype(np.float32)
    schema = Schema("<f4", array.shape)
    header = Header(bytes(16), 1, 0, schema.id, 2, 3, schema.nbytes)
    stored = memoryview(array.tobytes())

    def both_ways() -> None:
        schema.decode(unpack(pack(header, array), stored), stored)

    ours = _cpu(both_ways)
    peer = _cpu(lambda: pickle.loads(pickle.dumps(array, protocol=5)))
    return [
        Row("codec with checksums, 5000 x 3 float32, CPU-us both ways", ours, None, None, 20.0, ours <= 20.0),
        compare("the same, against pickle without checksums", ours, peer),
    ]


def _kmeans() -> list[Row]:
    from pilothouse.streams.processors.kmeans import KMeans
    from pilothouse.streams.processors.kmeans import assign as in_numpy

    array = np.random.default_rng(1).standard_normal((5000, 3)).astype(np.float32)
    KMeans.warm()
    rows = []
    for k in (10, 100, 1000):
        model = KMeans({"clusters": k, "decay": 0.95, "seed": 1})
        model.process(array)
        ours = _cpu(lambda model=model: model.process(array))
        name = f"streaming k-means, k={k}, 5000 x 3, CPU-us a message"
        try:
            from sklearn.cluster import MiniBatchKMeans
            from threadpoolctl import threadpool_limits
        except ImportError:
            rows.append(Row(f"{name} (scikit-learn is not installed)", ours, None, None, None, True))
        else:
            with threadpool_limits(1):
                peer = MiniBatchKMeans(k, n_init=1, random_state=1, reassignment_ratio=0)
                peer.partial_fit(array)
                theirs = _cpu(lambda peer=peer: peer.partial_fit(array))
            rows.append(compare(f"{name}, against scikit-learn partial_fit", ours, theirs, 1.0))
        centres = array[:k].copy()
        sums, counts = np.zeros((k, 3)), np.zeros(k, dtype=np.int64)
        plain = _cpu(lambda c=centres, s=sums, n=counts: in_numpy(array, c, s, n))
        rows.append(compare(f"{name}, against numpy", ours, plain, 1.0))
    return rows


def rows() -> list[Row]:
    """All measurements."""
    found: list[Row] = []
    for size, (count, batch, bound) in SIZES.items():
        pairs = [(_log(size, count, batch), _tcp(size, count)) for _ in range(ROUNDS)]
        ours, tcp = (min(column) for column in zip(*pairs, strict=True))
        found.append(compare(f"log, {size / 1e6:.1f} MB, CPU-us a message, against raw TCP", ours, tcp, bound))
    return found + _codec() + _kmeans()
