"""Spark on a local pilot: until all workers are counted, one more, until nothing is left; beside its own scripts."""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.home import own_home
from benchmarks.rows import Row, compare, missing, within

RUNS = 5
SMALL = {"cores": 1, "memory": "512 MiB", "daemon_memory": "256 MiB"}


def rows() -> list[Row]:
    """Measure."""
    if not find_spec("pyspark"):
        return [missing("Spark", "pyspark")]
    with own_home() as home:
        return _rows(home)


def _rows(folder: Path) -> list[Row]:
    import pilothouse as ph
    from pilothouse.engines.jvm.java import java
    from pilothouse.engines.spark import install

    install.classes(java()).make()  # what is done once
    with ph.submit("local", name="spark", nodes=3).wait(timeout=60) as pilot:
        _once(pilot)  # what is read for the first time is read from the disk
        found, scripts = [], []
        for _ in range(RUNS):  # in turn
            found.append(_once(pilot))
            scripts.append(_by_its_scripts(folder))
        ready, third, stopped = (statistics.median(each) for each in zip(*found, strict=True))
        left = [process for process in _java() if str(folder) in process]
    return [
        within("Spark: start to a master that has counted 2 workers (s)", ready, 6.0),
        compare("Spark: beside spark-class, started by hand (s)", ready, statistics.median(scripts)),
        within("Spark: a third worker (s)", third, 3.0),
        within("Spark: stop, nothing left (s)", stopped, 3.0),
        within("Spark: processes left", float(len(left)), 0.0),
    ]


def _once(pilot: Any) -> tuple[float, float, float]:
    """Seconds to be ready with two nodes, to have a third one, and to end."""
    begun = time.perf_counter()
    service = pilot.start("spark", nodes=2, **SMALL).wait(timeout=120)
    ready = time.perf_counter()
    service.extend().wait(timeout=120)
    third = time.perf_counter()
    service.stop()
    return ready - begun, third - ready, time.perf_counter() - third


def _by_its_scripts(folder: Path) -> float:
    """Master and two workers by pyspark's own ``spark-class``, without secrets, all at their defaults."""
    from pilothouse.engines.spark import install

    home, host = install.home(), "127.0.0.1"
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": host, "SPARK_DAEMON_MEMORY": "256m"}
    port, web = _free_port(), _free_port()
    work = Path(tempfile.mkdtemp(dir=folder))

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [home / "bin" / "spark-class", *arguments], env=environment, cwd=work, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    begun = time.perf_counter()
    started = [start(install.MASTER, "--host", host, "--port", str(port), "--webui-port", str(web))]
    try:
        while _alive(web) < 0:
            time.sleep(0.02)
        worker = (install.WORKER, "--host", host, "--cores", "1", "--memory", "512m", "--webui-port")
        started += [start(*worker, str(_free_port()), f"spark://{host}:{port}") for _ in range(2)]
        while _alive(web) < 2:
            time.sleep(0.02)
        return time.perf_counter() - begun
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
        shutil.rmtree(work, ignore_errors=True)


def _alive(web: int) -> int:
    """Workers that the master has; -1 while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/json/", timeout=5) as answer:
            return int(json.load(answer)["aliveworkers"])
    except (OSError, ValueError):  # while it starts, its pages are there and have nothing to say
        return -1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _java() -> list[str]:
    """Command lines of all virtual machines of Java."""
    import psutil

    return [
        " ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["name", "cmdline"]) if p.info["name"] == "java"
    ]
