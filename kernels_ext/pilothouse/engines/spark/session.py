"""The session that this process has with a Spark, or with one on a YARN: one at a time, which is how pyspark has it.

pyspark passes what a session's builder is given on a command line, which all users of the host can read. So nothing is
given to it: properties are in a file that is the user's alone, and is gone as soon as the virtual machine has read it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import platform
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

from pilothouse import remains
from pilothouse.engines.jvm.java import java
from pilothouse.engines.spark import install
from pilothouse.engines.spark.clusters import JVM, MIB, Cluster
from pilothouse.engines.spark.properties import properties, write
from pilothouse.errors import Conflict, Failed, InvalidInput, Unavailable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Seconds that a virtual machine has to end.
END_S = 10.0


@dataclass
class _Open:
    cluster: Cluster
    conf: dict[str, str]
    kafka: bool
    session: SparkSession
    folder: Path


_open: _Open | None = None


def opened(cluster: Cluster, conf: Mapping[str, Any], *, kafka: bool = False) -> SparkSession:
    """The session with `cluster`; see :meth:`pilothouse.engines.spark.service.SparkService.client`."""
    global _open
    values = checked(conf)
    check_versions(cluster)
    if _open is not None and _is_current(_open):
        if _is_live(_open):
            check_same(_open, cluster, values, kafka=kafka)
            return _open.session
        _forget()  # it has ended without pyspark's knowledge
    check_none_of_others(cluster.name)
    _forget()
    folder = own_folder()
    try:
        asked = {**all_of(cluster, folder, values), **connector(kafka, values)}
        write(folder / "spark-defaults.conf", asked)
        with surroundings(cluster, folder):
            _end_machine()  # of a session that was stopped: it would keep what it was started with
            session = _session(cluster.name)
    except BaseException:
        _end_machine()
        end_left(folder)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / "spark-defaults.conf").unlink(missing_ok=True)
    _open = _Open(cluster, values, kafka, session, folder)
    return session


def close(name: str, created: datetime) -> None:
    """End the session with the service of that name, if this process has one."""
    if _open is not None and (_open.cluster.name, _open.cluster.created) == (name, created):
        _forget()


def checked(conf: Mapping[str, Any]) -> dict[str, str]:
    """`conf` as Spark reads it.

    Raises
    ------
    InvalidInput
        A property is none of Spark's, or is not for users to set.
    """
    try:
        return properties(dict(conf), secrets=True)
    except ValueError as error:
        raise InvalidInput(f"conf: {error}", field="conf") from None


def check_versions(cluster: Cluster) -> None:
    """Whether this process can work with the nodes.

    Raises
    ------
    Unavailable
        pyspark, or Python, is another one there: what is computed on one side can't be read on the other.
    """
    here = install.version()
    if here != cluster.spark:
        raise Unavailable(
            f"pyspark is {here} here and {cluster.spark} on the nodes of {cluster.name!r}; they must be the same: "
            f'pip install "pyspark=={cluster.spark}" here, or start the service from this environment'
        )
    own = platform.python_version()
    if own.split(".")[:2] != cluster.python.split(".")[:2]:
        raise Unavailable(
            f"Python is {own} here and {cluster.python} on the nodes of {cluster.name!r}; functions that are sent "
            "there need the same minor version: use a kernel with that one, or start the service from this environment"
        )


def check_same(there: _Open, cluster: Cluster, values: Mapping[str, str], *, kafka: bool) -> None:
    """Whether the session that is there is the one that is asked for.

    Raises
    ------
    Conflict
        It is another service's, or has other properties.
    """
    remedy = "end it first: spark.stop(), or SparkSession.getActiveSession().stop()"
    if (there.cluster.name, there.cluster.created) != (cluster.name, cluster.created):
        raise Conflict(f"this process has a session with {there.cluster.name!r}, and can have one; {remedy}")
    if kafka and not there.kafka:
        raise Conflict(f"the session with {cluster.name!r} was opened without kafka=True; {remedy}", field="kafka")
    if other := sorted(name for name, value in values.items() if there.conf.get(name) != value):
        raise Conflict(
            f"the session with {cluster.name!r} has another {', '.join(other)}; {remedy}. What SQL reads can be set "
            "while it runs: spark.conf.set(name, value)",
            field="conf",
        )


def check_none_of_others(name: str) -> None:
    """Whether pyspark has no session in this process.

    Raises
    ------
    Conflict
        It has, and one is all that it can have.
    """
    from pyspark import SparkContext

    there = SparkContext._active_spark_context  # noqa: SLF001 - pyspark has no public way to ask
    if there is not None:
        raise Conflict(
            f"this process has a session with {there.master}, and can have one; end it before that with {name!r}: "
            "SparkSession.getActiveSession().stop()"
        )
    if "SPARK_CONNECT_MODE_ENABLED" in os.environ:
        raise Conflict(
            f"this process has a Spark Connect session, and pyspark can't have one with its driver here beside it: "
            f"for {name!r} use .connect(), or restart the kernel"
        )


def connector(kafka: bool, values: Mapping[str, str]) -> dict[str, str]:
    """The jars of Spark's connector to Kafka, if they are wanted, and those of the user's own."""
    if not kafka:
        return {}
    from pilothouse.engines.jvm.jars import jars
    from pilothouse.engines.jvm.lock import lock

    pinned = lock("spark-kafka").version
    if install.version() != pinned:
        raise Unavailable(
            f"Spark's connector to Kafka is that of {pinned}, and pyspark is {install.version()}: "
            f'pip install "pyspark=={pinned}"',
            field="kafka",
        )
    own = filter(None, [values.get("spark.jars", "")])
    return {"spark.jars": ",".join([*own, *map(str, jars("spark-kafka"))])}


def reachable(address: str) -> str:
    """The address of this host at which the nodes reach it: loopback when they are here."""
    where = urlsplit(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((where.hostname or "", where.port or 1))  # nothing is sent
        return str(probe.getsockname()[0])


def own_folder() -> Path:
    """A folder for a driver's files, the user's alone; those of processes that were killed are removed."""
    prefix = f"pilothouse-spark-{os.getuid()}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not remains.lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))


def all_of(cluster: Cluster, folder: Path, values: Mapping[str, str]) -> dict[str, str]:
    """All properties of a driver of this host whose files are in `folder`."""
    host = reachable(cluster.address)
    own = {
        "spark.app.name": cluster.name,
        "spark.ui.showConsoleProgress": "false",
        "spark.executor.memory": f"{cluster.memory // MIB}m",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        **cluster.conf,
        **values,
    }
    # A node's temporary folder is not known here; an executor has a folder of its own to work in, gone with the member.
    own["spark.executor.extraJavaOptions"] = (
        f"{JVM} -Djava.io.tmpdir=. {own.get('spark.executor.extraJavaOptions', '')}".strip()
    )
    own["spark.driver.extraJavaOptions"] = (
        f"{JVM} -Djava.io.tmpdir={folder} {own.get('spark.driver.extraJavaOptions', '')}".strip()
    )
    return {
        **own, **cluster.own, "spark.driver.host": host, "spark.driver.bindAddress": host,
    }  # fmt: skip


@contextlib.contextmanager
def surroundings(cluster: Cluster, folder: Path) -> Iterator[None]:
    """The environment in which pyspark starts its virtual machine; afterwards it is as it was."""
    before = dict(os.environ)
    own = install.surroundings(java(least=install.LEAST_JAVA), folder, reachable(cluster.address))
    own |= cluster.environment
    for name in install.others():
        del os.environ[name]
    os.environ.update(own, PYSPARK_PYTHON=cluster.interpreter)
    try:
        yield
    finally:
        for name in (*own, "PYSPARK_PYTHON", *install.OTHERS):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def _session(name: str) -> SparkSession:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        return SparkSession.Builder().getOrCreate()
    except (Py4JError, PySparkException) as error:
        cause = str(getattr(error, "java_exception", None) or error).strip().splitlines()
        raise Failed(f"no session with {name!r}: {cause[0] if cause else type(error).__name__}") from error


def _is_current(there: _Open) -> bool:
    """Whether pyspark takes it for the one of this process: nobody has called its ``stop()``."""
    from pyspark import SparkContext

    return there.session.sparkContext is SparkContext._active_spark_context  # noqa: SLF001 - as above


def _is_live(there: _Open) -> bool:
    """Whether its driver works: not if its virtual machine was killed, or if the master has ended its application."""
    from py4j.protocol import Py4JError

    driver = there.session.sparkContext._jsc  # noqa: SLF001 - pyspark has no public way to ask
    try:
        return driver is not None and not driver.sc().isStopped()
    except (Py4JError, OSError):
        return False


def _forget() -> None:
    """End the session that was opened here, with its virtual machine and its files."""
    global _open
    there, _open = _open, None
    if there is None:
        return
    if _is_current(there):
        _stop(there.session)
    _end_machine()
    shutil.rmtree(there.folder, ignore_errors=True)


def _stop(session: SparkSession) -> None:
    """Stop a session of which the virtual machine may be gone: pyspark's own way would leave half of it to others."""
    from py4j.protocol import Py4JError

    context = session.sparkContext
    with contextlib.suppress(Py4JError, OSError), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that it is gone
        session.stop()
    context.stop()  # what is of Python alone, where the first got no further than to ask its virtual machine


def end_left(folder: Path) -> None:
    """End what was being started with `folder`: after an interrupt pyspark does not know of it any more."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SPARK_CONF_DIR") == str(folder):
                process.kill()
                process.wait(END_S)


def _end_machine() -> None:
    """End pyspark's virtual machine, if it has one and no session needs it."""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext

    gateway = SparkContext._gateway  # noqa: SLF001 - pyspark has no public way to end it
    if gateway is None or SparkContext._active_spark_context is not None:  # noqa: SLF001 - as above
        return
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001 - as above
    with contextlib.suppress(Py4JError, OSError):  # it may have been killed
        gateway.shutdown()
    process: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
    if process is None:
        return
    if process.stdin is not None:
        process.stdin.close()  # at which it ends
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


atexit.register(_forget)
