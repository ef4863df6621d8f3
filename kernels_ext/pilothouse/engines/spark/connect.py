"""Spark Connect: a session whose driver is a process of its own on this host, ended with this one.

A server of Spark Connect speaks plain text, and pyspark sends a token over that to the literal ``localhost`` alone. So
the server is here, listens on loopback, and its token is made for this process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.engines.jvm import thrown
from pilothouse.engines.spark import install, session
from pilothouse.engines.spark.clusters import Cluster
from pilothouse.engines.spark.properties import write
from pilothouse.errors import Conflict, Failed, Unavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
#: What pyspark's client needs.
NEEDED = ("pandas", "pyarrow", "grpc", "grpc_status", "google.rpc")
REMEDY = 'pip install "pilothouse[spark-connect]"'
#: Seconds for the server to listen, and to end.
START_S, END_S = 120.0, 10.0
#: Ends the server when its input does: with this process, however that ends.
TIED = 'exec 3<&0; "$@" 3<&- & server=$!; { cat <&3 >/dev/null; kill $server; } 2>/dev/null & wait $server'


@dataclass
class _Open:
    cluster: Cluster
    conf: dict[str, str]
    session: SparkSession
    process: subprocess.Popen[bytes]
    folder: Path


_open: _Open | None = None


def opened(cluster: Cluster, conf: Mapping[str, Any]) -> SparkSession:
    """The session; see :meth:`pilothouse.engines.spark.service.SparkService.connect`."""
    global _open
    values = session.checked(conf)
    session.check_versions(cluster)
    _check_installed()
    if _open is not None and _open.process.poll() is None and not _open.session.is_stopped:
        _check_same(_open, cluster, values)
        return _open.session
    close()
    _check_none_of_others()
    folder = session.own_folder()
    process = None
    try:
        token, port = secrets.token_urlsafe(32), _free_port()
        write(folder / "spark-defaults.conf", {
            **session.all_of(cluster, folder, values), "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": str(port), "spark.connect.authenticate.token": token,
        })  # fmt: skip
        process = _started(cluster, folder)
        _wait(process, port, folder / "server.log")
        made = _connected(port, token)
    except BaseException:
        _end(process, folder)
        raise
    (folder / "spark-defaults.conf").unlink()
    _open = _Open(cluster, values, made, process, folder)
    return made


def close(name: str = "") -> None:
    """End the session that was opened here, and its server; with the service `name` alone, where that is given."""
    global _open
    if _open is None or (name and _open.cluster.name != name):
        return
    there, _open = _open, None
    with contextlib.suppress(Exception):  # its server may be gone
        there.session.stop()
    _end(there.process, there.folder)
    os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)  # pyspark's mark; else it makes no other session


def _check_installed() -> None:
    if missing := [name for name in NEEDED if not _there(name)]:
        raise Unavailable(f"Spark Connect needs {', '.join(missing)}, not installed here: {REMEDY}")


def _there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _check_same(there: _Open, cluster: Cluster, values: Mapping[str, str]) -> None:
    same = (there.cluster.name, there.cluster.created) == (cluster.name, cluster.created)
    if not same or any(there.conf.get(name) != value for name, value in values.items()):
        raise Conflict(
            f"this process has a Spark Connect session with {there.cluster.name!r}"
            f"{', with other properties' if same else ''}; end it first: its .stop()"
        )


def _check_none_of_others() -> None:
    from pyspark import SparkContext

    if SparkContext._active_spark_context is not None:  # noqa: SLF001 - pyspark has no public way to ask
        raise Conflict(
            "this process has a session with its driver here, and pyspark can't have one of Spark Connect beside it; "
            "end it first: SparkSession.getActiveSession().stop()"
        )


def _started(cluster: Cluster, folder: Path) -> subprocess.Popen[bytes]:
    submit = install.home() / "bin" / "spark-submit"
    with session.surroundings(cluster, folder), (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            ["sh", "-c", TIED, "sh", submit, "--class", SERVER, "spark-internal"],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, cwd=folder,
        )  # fmt: skip


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    how = f"not within {START_S:g} s" if process.poll() is None else f"it ended with code {process.returncode}"
    raise Failed(f"Spark Connect's server: {how}: {thrown.why(log)}")


def _connected(port: int, token: str) -> SparkSession:
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession as Remote

    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as pyspark's own builder does: functions are built for it
    try:
        made: SparkSession = Remote.builder.remote(f"sc://localhost:{port}/;token={token}").create()
        made.range(1).count()
    except PySparkException as error:
        os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)
        raise Failed(f"no Spark Connect session: {str(error).splitlines()[0]}") from error
    return made


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes] | None, folder: Path) -> None:
    if process is not None:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)


atexit.register(close)
