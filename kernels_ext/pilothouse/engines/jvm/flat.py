"""Copies of jars with nothing in them compressed, for programs that look through whole jars when they start.

Jersey looks for classes in packages, and Jetty for pages, by reading a jar from its first byte to its last. With flat
copies Hadoop's NameNode starts with 3 s of computing in place of 7.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pilothouse.engines.jvm.cache import cache
from pilothouse.engines.jvm.lock import Lock
from pilothouse.engines.jvm.verified import look, note


def flat(wanted: Lock, jars: Sequence[Path]) -> list[Path]:
    """The jars of `wanted`, with flat copies in the places of those that have one; made where they are missing.

    Several may do so at once. Where no copy can be written, such as on a full disk, the jar itself is as good, and
    slower.
    """
    copied = [jar for jar in wanted.jars if jar.flat]
    if not copied:
        return list(jars)
    folder = cache() / "flat" / wanted.folder
    right = set(look(folder, copied, copies=True).right)
    found = []
    for jar, path in zip(wanted.jars, jars, strict=True):
        copy = folder / jar.file
        with contextlib.suppress(OSError):
            if jar.flat and jar not in right:
                _copy(path, copy)
                note(folder, jar)
                right.add(jar)
        found.append(copy if jar in right else path)
    return found


def _copy(jar: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=copy.parent, prefix=f".{jar.stem}-", suffix=".making")
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            zipfile.ZipFile(jar) as packed,
            zipfile.ZipFile(file, "w") as unpacked,
        ):
            for entry in packed.infolist():
                plain = zipfile.ZipInfo(entry.filename, entry.date_time)
                plain.external_attr = entry.external_attr
                unpacked.writestr(plain, packed.read(entry))
        os.replace(name, copy)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
