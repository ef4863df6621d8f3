"""HDFS on a local pilot: whole files through our fsspec file system, beside plain requests of the same bytes.

Each way takes its turn in each round. The plain ones ask the NameNode where to go, and hand over, or take, all bytes at
once: the least that WebHDFS can be used with. Processor time is that of this process and of the daemons together.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.home import own_home
from benchmarks.rows import Row, compare, missing, within

ROUNDS = 5
#: Bytes of the file.
SIZE = 256 << 20
PATIENCE_S = 240.0
#: A write of so many MB/s is what was promised.
LEAST = 300.0
#: Of ours to the plain one's, in time: what is ours are checks and callbacks.
MOST = 1.15


def rows() -> list[Row]:
    """Measure."""
    from pilothouse.engines.jvm.jars import found
    from pilothouse.engines.jvm.java import java
    from pilothouse.errors import PilothouseError

    try:
        if not found("hadoop"):
            return [missing("HDFS", "Hadoop (pilothouse engines fetch hdfs)")]
        java(17)
    except PilothouseError as error:  # no Java
        return [missing("HDFS", str(error))]
    with own_home() as home, _hdfs() as hdfs:
        return _rows(hdfs, home)


@contextmanager
def _hdfs() -> Iterator[Any]:
    import pilothouse as ph

    with ph.submit("local", name="hdfs", nodes=1, cores=2, memory="3 GiB").wait(timeout=120) as pilot:
        service: Any = pilot.start("hdfs", unprotected=True)  # the host may have other people on it
        try:
            yield service.wait(timeout=PATIENCE_S)
        finally:
            service.stop()


def _rows(hdfs: Any, folder: Path) -> list[Row]:
    seconds, processor = _measured(_ways(hdfs, folder), _daemons(hdfs))
    found = []
    for what, ours, plain in (
        ("write of bytes", "pipe", "plain write"), ("write of a file", "put", "plain write"),
        ("write through open", "open", "plain write"), ("read of bytes", "cat", "plain read"),
        ("read to a file", "get", "plain read"),
    ):  # fmt: skip
        found.append(compare(f"HDFS {what}: time beside a plain one's", seconds[ours], seconds[plain], MOST))
        found.append(compare(f"HDFS {what}: CPU s/GB", processor[ours], processor[plain]))
    for way in ("pipe", "put", "open"):
        # Rows promise that less is better.
        slowness = seconds[way] / (SIZE / 1e6) * LEAST
        found.append(within(f"HDFS write by {way}: {LEAST:.0f} MB/s over its speed", slowness, 1.0))
    return found


def _ways(hdfs: Any, folder: Path) -> Mapping[str, Callable[[], None]]:
    import requests

    files, data = hdfs.client(), os.urandom(1 << 20) * (SIZE >> 20)
    there, back = folder / "there", folder / "back"
    there.write_bytes(data)
    session = requests.Session()
    session.trust_env = False
    url = f"http://{hdfs.web}/webhdfs/v1/bench/plain"
    asked = {"user.name": files.user}

    def plain_write() -> None:
        where = session.put(url, params={**asked, "op": "CREATE", "overwrite": "true"}, allow_redirects=False)
        binary = {"Content-Type": "application/octet-stream"}
        session.put(where.headers["Location"], data=data, headers=binary).raise_for_status()

    def plain_read() -> None:
        assert len(session.get(url, params={**asked, "op": "OPEN"}).content) == SIZE

    def through_open() -> None:
        with files.open("/bench/open", "wb") as file:
            for start in range(0, SIZE, 4 << 20):
                file.write(memoryview(data)[start : start + (4 << 20)])

    def cat() -> None:
        assert len(files.cat_file("/bench/plain")) == SIZE

    return {
        "plain write": plain_write, "pipe": lambda: files.pipe_file("/bench/pipe", data),
        "put": lambda: files.put_file(str(there), "/bench/put"), "open": through_open, "plain read": plain_read,
        "cat": cat, "get": lambda: files.get_file("/bench/plain", str(back)),
    }  # fmt: skip


def _measured(
    ways: Mapping[str, Callable[[], None]], daemons: list[psutil.Process]
) -> tuple[dict[str, float], dict[str, float]]:
    """Medians of seconds, and of seconds of processors for a GB, by way."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    processor: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(-2, ROUNDS):  # the first ones are the compilers'
        for way, do in ways.items():
            used, begun = _used(daemons), time.perf_counter()
            do()
            took = time.perf_counter() - begun
            if number >= 0:
                seconds[way].append(took)
                processor[way].append((_used(daemons) - used) / (SIZE / 1e9))
    return (
        {way: statistics.median(each) for way, each in seconds.items()},
        {way: statistics.median(each) for way, each in processor.items()},
    )


def _daemons(hdfs: Any) -> list[psutil.Process]:
    """Its NameNode and its DataNode: no others', nor a child that is yet to become another program."""
    from pilothouse.registry.liveness import scratch_folder

    nodes = f"{scratch_folder(hdfs.pilot)}/"
    lines = {each: each.info["cmdline"] or [""] for each in psutil.process_iter(["cmdline", "ppid"])}
    found = {
        process.pid: process
        for process, words in lines.items()
        if words[-1].endswith((".NameNode", ".DataNode")) and any(nodes in word for word in words)
    }
    return [process for process in found.values() if process.info["ppid"] not in found]


def _used(daemons: list[psutil.Process]) -> float:
    own = os.times()
    return own.user + own.system + sum(each.cpu_times().user + each.cpu_times().system for each in daemons)
