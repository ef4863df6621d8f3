"""Class-data archives (AppCDS): a virtual machine that has one starts in half the time.

An archive is of one build of Java and one class path; the virtual machine looks at both itself and goes on without it
where they are others. It is made once, beside the jars in the user's cache, from the list of the classes that a
program loads (``classes/``): so the program itself need not be run, nor ended in the middle of its work, to make it.
"""

from __future__ import annotations

import atexit
import contextlib
import gzip
import hashlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from pilothouse.engines.jvm.cache import cache
from pilothouse.engines.jvm.java import Java

#: Lists of classes, made by ``.ci/list_classes.py``, which says how to renew them.
CLASSES = Path(__file__).parent / "classes"
#: Seconds after which a virtual machine that makes one is taken for stuck.
MAKING_S = 300.0
#: Days after which one that nobody uses is removed when another of its name is made.
UNUSED_D = 60


class Archive:
    """The archive of a name for a Java and a class path: there, or still to be made.

    Attributes
    ----------
    path
        Where it is, or will be.
    """

    def __init__(self, name: str, classpath: Sequence[Path], java: Java) -> None:
        self.name, self._java, self._classpath = name, java, list(classpath)
        told = hashlib.sha256(java.build.encode())
        for path in classpath:
            with contextlib.suppress(OSError):
                stat = path.stat()
                told.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
        self.path = cache() / "archives" / f"{name}-{told.hexdigest()[:16]}.jsa"
        self._made: Path | None = None
        self._under_way: tuple[subprocess.Popen[bytes], Path] | None = None

    @property
    def there(self) -> bool:
        """Whether it was made."""
        return self.path.is_file()

    @property
    def lists(self) -> bool:
        """Whether there is a list of the classes that are to be in it."""
        return _listed(self.name).is_file()

    @property
    def options_to_use(self) -> list[str]:
        """Of a virtual machine that is to use it; none while it is not there. Of these jars, in this order, and others.

        One that can't be used after all is not, without a word.
        """
        if not self.there:
            return []
        with contextlib.suppress(OSError):
            os.utime(self.path)  # it is in use
        return using(self.path)

    @property
    def options_to_make(self) -> list[str]:
        """Of a virtual machine that makes it, of all that it has loaded, when it ends; :meth:`keep` puts it in place.

        For programs without a list of classes: to write it takes seconds at the end.
        """
        if self._made is None:
            self._made = self._aside()
        return [f"-XX:ArchiveClassesAtExit={self._made}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]

    def keep(self) -> bool:
        """Put in place what a virtual machine with :attr:`options_to_make` has written by now; whether there is one."""
        made, self._made = self._made, None
        return made is not None and self._put(made)

    def make(self, how: Callable[[list[str]], object] | None = None) -> bool:
        """Make it, where it is not there; whether it is there now. Several may do so at once.

        Parameters
        ----------
        how
            Starts a virtual machine with the options given, has it do what it mostly does, and returns when it has
            ended. Needed for a program without a list of classes.
        """
        if self.there:
            return True
        if how is not None:
            how(self.options_to_make)
            return self.keep()
        if not self.lists:
            return False
        made = self._aside()
        classes = made.with_suffix(".classes")
        try:
            classes.write_bytes(gzip.decompress(_listed(self.name).read_bytes()))
            return self._dump(classes, made) and self._put(made)
        finally:
            classes.unlink(missing_ok=True)
            made.unlink(missing_ok=True)

    def make_aside(self) -> threading.Thread:
        """Make it in a thread, at the lowest priority: for the next start, where this one could not wait for it.

        It is given up with :func:`give_up`, and when this process ends before.
        """
        _aside.append(self)
        atexit.register(self.give_up)
        thread = threading.Thread(target=self._make_quietly, name=f"archive {self.name}", daemon=True)
        thread.start()
        return thread

    def give_up(self) -> None:
        """End what is being made, and leave nothing of it."""
        if self._under_way is not None:
            process, made = self._under_way
            process.kill()
            process.wait()
            for path in (made, made.with_suffix(".classes")):
                path.unlink(missing_ok=True)

    def _make_quietly(self) -> None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):  # a full disk: the next start takes longer
            self.make()

    def _dump(self, classes: Path, made: Path) -> bool:
        # Serial: archived objects can be used by all collectors then.
        return self._run(
            made, "-Xshare:dump", "-XX:+UseSerialGC", "-Xmx512m", f"-XX:SharedClassListFile={classes}",
            f"-XX:SharedArchiveFile={made}", "-cp", ":".join(map(str, self._classpath)),
        )  # fmt: skip

    def _usable(self, made: Path) -> bool:
        """Whether it is whole: a virtual machine that maps half of one does not start, but crashes."""
        return made.is_file() and self._run(
            made, "-Xshare:on", "-XX:+VerifySharedSpaces", f"-XX:SharedArchiveFile={made}", "-cp",
            ":".join(map(str, self._classpath)), "-version",
        )  # fmt: skip

    def _run(self, made: Path, *options: str) -> bool:
        """Run a virtual machine for what is made, at the lowest priority; whether it ended well."""
        process = subprocess.Popen(
            [self._java.command, "-XX:-UsePerfData", "-XX:-CreateCoredumpOnCrash", "-XX:ErrorFile=/dev/null", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._under_way = process, made
        try:
            with contextlib.suppress(psutil.Error):
                psutil.Process(process.pid).nice(19)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(MAKING_S)
        finally:
            process.kill()
        code = process.wait()
        self._under_way = None
        return code == 0

    def _aside(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.name}-", suffix=".making")
        os.close(descriptor)
        os.unlink(name)  # a virtual machine writes no archive over a file
        return Path(name)

    def _put(self, made: Path) -> bool:
        """Put it in place if it is whole; whether it is."""
        if not self._usable(made):
            made.unlink(missing_ok=True)
            return False
        os.replace(made, self.path)
        self._remove_older(f"{self.name}-*.jsa", UNUSED_D * 86_400.0)
        self._remove_older(f".{self.name}-*", 2 * MAKING_S)  # of processes that were killed
        return True

    def _remove_older(self, pattern: str, seconds: float) -> None:
        for other in self.path.parent.glob(pattern):
            with contextlib.suppress(OSError):
                if other.stat().st_mtime < time.time() - seconds:
                    other.unlink()


def _listed(name: str) -> Path:
    return CLASSES / f"{name}.gz"


def using(path: Path) -> list[str]:
    """The options of a virtual machine that is to use the archive at `path`."""
    return [f"-XX:SharedArchiveFile={path}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


#: Those that this process has made, or makes, beside other things.
_aside: list[Archive] = []


def give_up() -> None:
    """End all that :meth:`Archive.make_aside` has begun and not yet done: a service leaves no process."""
    for each in _aside:
        each.give_up()


def archive(name: str, classpath: Sequence[Path], java: Java) -> Archive:
    """The archive `name` for these jars and this Java."""
    return Archive(name, classpath, java)
