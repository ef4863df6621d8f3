"""The command line of a Java program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pilothouse.engines.jvm.archives import Archive, using
from pilothouse.engines.jvm.java import Java

MIB = 1 << 20
#: Bytes that a virtual machine begins with, at most: what it needs, it takes.
BEGIN = 64 * MIB


def command(
    java: Java,
    classpath: Sequence[Path],
    main: str,
    *arguments: str,
    heap: int,
    archive: Path | Archive | None = None,
    options: Sequence[str] = (),
    properties: Mapping[str, str] | None = None,
) -> list[str]:
    """What starts the class `main`.

    Parameters
    ----------
    classpath
        Jars and folders, one by one and in this order: class-data archives hold for that order only.
    heap
        Bytes of its heap, at most.
    archive
        A class-data archive to use; without a word not used where it is missing or is not of this Java and these jars.
    options
        Further ones of the virtual machine; they win over those that are always there.
    properties
        ``-D`` of the program. No secrets: other users see command lines.
    """
    return [
        str(java.command),
        f"-Xms{min(heap, BEGIN) // MIB}m",
        f"-Xmx{max(heap // MIB, 2)}m",
        "-XX:-UsePerfData",  # nothing in the system's temporary folder
        "-XX:+ExitOnOutOfMemoryError",  # a daemon that has lost a thread is worse than one that is started again
        *(using(archive) if isinstance(archive, Path) else archive.options_to_use if archive else []),
        *options,
        *(f"-D{name}={value}" for name, value in (properties or {}).items()),
        "-cp", ":".join(map(str, classpath)),
        main,
        *arguments,
    ]  # fmt: skip
