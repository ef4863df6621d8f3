"""Spark as pyspark brings it: where it is, of which version, and how its daemons are started.

``spark-class`` would start a second virtual machine and a shell to reckon the same command line.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path

from pilothouse.engines.jvm.archives import Archive, archive
from pilothouse.engines.jvm.command import command
from pilothouse.engines.jvm.java import Java
from pilothouse.errors import Unavailable

#: The oldest Java that Spark 4 runs on.
LEAST_JAVA = 17
#: The oldest Spark whose pages can be closed to others.
LEAST_SPARK = (4, 0)
REMEDY = 'pip install "pilothouse[spark]"'
#: Scala of all Spark 4: what its own scripts set, and what workers need to start executors.
SCALA = "2.13"
#: Parts of java.base that Spark and its libraries look into.
OPENED = (
    "java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util",
    "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs",
    "sun.security.action", "sun.util.calendar",
)  # fmt: skip
MASTER = "org.apache.spark.deploy.master.Master"
WORKER = "org.apache.spark.deploy.worker.Worker"


def version() -> str:
    """Of the pyspark that is installed.

    Raises
    ------
    Unavailable
        None is, or one that is too old.
    """
    try:
        found = version_of("pyspark")
    except PackageNotFoundError:
        raise Unavailable(f"pyspark is not installed: {REMEDY}", field="engine") from None
    if tuple(int(part) for part in found.split(".")[:2]) < LEAST_SPARK:
        least = ".".join(map(str, LEAST_SPARK))
        raise Unavailable(f"pyspark {found} is installed; {least} or newer is needed: {REMEDY}", field="engine")
    return found


def home() -> Path:
    """The folder of the pyspark that is installed; it is not imported."""
    version()
    found = find_spec("pyspark")
    assert found is not None  # noqa: S101 - version() has seen it
    return Path(next(iter(found.submodule_search_locations or ())))


def here() -> dict[str, str]:
    """What sessions know of a node: ``python``, ``interpreter``; ``spark`` and ``spark_home``, empty without it."""
    found = {"python": platform.python_version(), "interpreter": sys.executable, "spark": "", "spark_home": ""}
    with contextlib.suppress(Unavailable):
        found |= {"spark": version(), "spark_home": str(home().resolve())}
    return found


def jars() -> list[Path]:
    """All jars of Spark, in one order."""
    return sorted((home() / "jars").glob("*.jar"))


def classes(java: Java) -> Archive:
    """The class-data archive of the daemons."""
    return archive("spark", jars(), java)


def daemon(java: Java, main: str, *arguments: str, heap: int, scratch: Path, archived: Archive) -> list[str]:
    """The command line of a master or a worker.

    Parameters
    ----------
    heap
        Bytes.
    scratch
        For temporary files.
    """
    options = [
        "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",  # daemons compute little: what counts is how soon they are there
        "-XX:+IgnoreUnrecognizedVMOptions",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
        "--enable-native-access=ALL-UNNAMED",
    ]  # fmt: skip
    own = {
        "java.io.tmpdir": str(scratch), "java.net.preferIPv4Stack": "true",
        "io.netty.tryReflectionSetAccessible": "true",
    }  # fmt: skip
    return command(java, jars(), main, *arguments, heap=heap, archive=archived, options=options, properties=own)


def surroundings(java: Java, conf: Path, host: str) -> dict[str, str]:
    """Variables of all processes of Spark's, whatever a site or the user has set for another Spark."""
    return {
        "SPARK_HOME": str(home()),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": host,
        "SPARK_SCALA_VERSION": SCALA,
        "JAVA_HOME": str(java_home(java)),
    }


def java_home(java: Java) -> Path:
    """The folder of a Java's installation."""
    return java.command.resolve().parent.parent


#: Variables of another Spark that would get in the way.
OTHERS = (
    "SPARK_MASTER_HOST", "SPARK_MASTER_PORT", "SPARK_MASTER_WEBUI_PORT", "SPARK_MASTER_OPTS", "SPARK_WORKER_OPTS",
    "SPARK_WORKER_CORES", "SPARK_WORKER_MEMORY", "SPARK_WORKER_PORT", "SPARK_WORKER_WEBUI_PORT", "SPARK_WORKER_DIR",
    "SPARK_DAEMON_JAVA_OPTS", "SPARK_DAEMON_MEMORY", "SPARK_DAEMON_CLASSPATH", "SPARK_DIST_CLASSPATH",
    "SPARK_PUBLIC_DNS", "SPARK_SUBMIT_OPTS", "SPARK_REMOTE", "SPARK_API_MODE", "SPARK_CONNECT_MODE_ENABLED",
    "SPARK_LOCAL_REMOTE", "SPARK_EXECUTOR_MEMORY", "SPARK_EXECUTOR_CORES", "SPARK_DRIVER_MEMORY", "MASTER",
    "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET", "SPARK_ENV_LOADED", "SPARK_IDENT_STRING",
)  # fmt: skip


def others(environment: Mapping[str, str] | None = None) -> list[str]:
    """Those of :data:`OTHERS` that are set."""
    found = os.environ if environment is None else environment
    return [name for name in OTHERS if name in found]
