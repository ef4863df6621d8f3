"""Hadoop's configuration files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from pilothouse.state import make_private, write_atomic

#: What daemons log goes to where they print: their log is the place's. The native library is not in the jars.
LOG4J = """\
log4j.rootLogger=INFO,console
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
"""


def write(folder: Path, name: str, values: Mapping[str, object]) -> None:
    """Write ``{name}.xml`` (``core-site``, ``hdfs-site`` ...) into `folder`, which is made where it is not there.

    Parameters
    ----------
    values
        Properties; True and False are written as Hadoop reads them.
    """
    lines = "".join(
        f"  <property><name>{escape(key)}</name><value>{escape(_text(value))}</value></property>\n"
        for key, value in values.items()
    )
    make_private(folder)
    write_atomic(folder / f"{name}.xml", f'<?xml version="1.0"?>\n<configuration>\n{lines}</configuration>\n'.encode())


def write_logging(folder: Path) -> None:
    """Write ``log4j.properties`` into `folder`: without it, daemons log nothing."""
    make_private(folder)
    write_atomic(folder / "log4j.properties", LOG4J.encode())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
