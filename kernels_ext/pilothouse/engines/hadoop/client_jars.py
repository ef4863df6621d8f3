"""The jars by which a Python process is a client of Hadoop."""

from __future__ import annotations

import os
from pathlib import Path

#: In an installation of Hadoop 3: everything that a client needs, in two jars; and what they write logs with.
_CLIENT = ("share/hadoop/client/hadoop-client-api-*.jar", "share/hadoop/client/hadoop-client-runtime-*.jar")
_LOGS = tuple(
    f"share/hadoop/common/lib/{name}-*.jar" for name in ("slf4j-api", "slf4j-reload4j", "reload4j", "commons-logging")
)


def client_jars() -> list[Path]:
    """Those of the installation that ``$HADOOP_HOME`` names, which are as old as its cluster; else our own.

    Raises
    ------
    Unavailable
        There are none, and they can't be fetched.
    """
    return installed(os.environ.get("HADOOP_HOME", "")) or ours()


def installed(home: str) -> list[Path]:
    """Of the installation at `home`; none where it lacks them."""
    if not home:
        return []
    client = [sorted(Path(home).glob(pattern)) for pattern in _CLIENT]
    logs = [path for pattern in _LOGS for path in sorted(Path(home).glob(pattern))]
    return [*(paths[-1] for paths in client), *logs] if all(client) else []


def ours() -> list[Path]:
    """From the user's cache; what daemons alone need is left out."""
    from pilothouse.engines.jvm.jars import jars

    return [path for path in jars("hadoop") if "minicluster" not in path.name and not path.name.startswith("bc")]
