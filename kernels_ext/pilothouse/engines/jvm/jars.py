"""The jars of an engine: found where an administrator or an earlier use has put them, else fetched, once per user.

What is used is what its lock names, byte for byte. Offline afterwards.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.engines.jvm.cache import cache, provided
from pilothouse.engines.jvm.flat import flat
from pilothouse.engines.jvm.lock import Jar, Lock, lock
from pilothouse.engines.jvm.verified import look, sha256
from pilothouse.errors import Unavailable, Untrusted

if TYPE_CHECKING:
    from jgo.maven import MavenContext

#: Jars fetched beside each other.
AT_ONCE = 4
#: Seconds without a word from the other side.
PATIENCE_S = 30
MB = 1e6


def jars(software: str) -> list[Path]:
    """The jars of `software` in the order of its class path; fetched when they are missing.

    Raises
    ------
    InvalidInput
        No jars are known by that name.
    Unavailable, Untrusted
        As for :func:`fetch`.
    """
    wanted = lock(software)
    folder = _whole(wanted)
    return fetch(software) if folder is None else flat(wanted, [folder / jar.file for jar in wanted.jars])


def found(software: str) -> bool:
    """Whether all jars of `software` are on this host and are what they should be; nothing is fetched."""
    return _whole(lock(software)) is not None


def fetch(software: str, say: Callable[[str], None] = lambda _: None, folder: Path | None = None) -> list[Path]:
    """The jars of `software`; what is missing is fetched, what was altered is fetched again.

    Several may do so at once: each file gets its name when it is whole and right.

    Parameters
    ----------
    say
        Told, in words, what is being done.
    folder
        The folder of jars to fill, for others to use by ``$PILOTHOUSE_JARS``; that in the user's cache where there is
        none.

    Raises
    ------
    Unavailable
        They can't be fetched, or not be written: with the reason, and what helps.
    Untrusted
        What was fetched is not what the lock names.
    """
    wanted = lock(software)
    if folder is None and (there := _provided(wanted)):
        say(f"{wanted.software} {wanted.version}: all {len(wanted.jars)} jars are in {there}")
        return flat(wanted, [there / jar.file for jar in wanted.jars])
    target = (own() if folder is None else folder.absolute()) / wanted.folder
    seen = look(target, wanted.jars)
    for jar in seen.altered:
        say(f"{target / jar.file} is not what it should be: it is fetched again")
    if lacking := seen.missing + seen.altered:
        _get(wanted, lacking, target, say)
        look(target, wanted.jars)  # they are known from now on
    say(f"{wanted.software} {wanted.version}: all {len(wanted.jars)} jars are in {target}")
    paths = [target / jar.file for jar in wanted.jars]
    return flat(wanted, paths) if folder is None else paths


def said_fetch(software: str) -> list[Path]:
    """:func:`fetch`, with its words on standard error: for who waits in a terminal or at a cell."""
    return fetch(software, _to_stderr)


def _to_stderr(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress; standard output is the answer's


def own() -> Path:
    """The folder of jars in the user's cache."""
    return cache() / "jars"


def _whole(wanted: Lock) -> Path | None:
    """The folder that has them all as they should be."""
    if folder := _provided(wanted):
        return folder
    folder = own() / wanted.folder
    return folder if look(folder, wanted.jars).whole else None


def _provided(wanted: Lock) -> Path | None:
    """The administrator's folder, where it has them all. What is wrong with it is said: the user's own are used."""
    root = provided()
    if root is None:
        return None
    folder = root / wanted.folder
    seen = look(folder, wanted.jars)
    if seen.altered:
        names = ", ".join(jar.file for jar in seen.altered)
        warnings.warn(
            f"{folder} (PILOTHOUSE_JARS) is not used: {names} is not what {wanted.software} {wanted.version} needs",
            stacklevel=4,
        )
    elif seen.right and seen.missing:
        names = ", ".join(jar.file for jar in seen.missing)
        warnings.warn(f"{folder} (PILOTHOUSE_JARS) is not used: {names} is not there", stacklevel=4)
    return folder if seen.whole else None


def _get(wanted: Lock, lacking: list[Jar], target: Path, say: Callable[[str], None]) -> None:
    total = sum(jar.size for jar in lacking)
    say(f"{wanted.software} {wanted.version}: {len(lacking)} jars, {total / MB:.1f} MB, are fetched into {target}")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".fetch-") as aside, ThreadPoolExecutor(AT_ONCE) as pool:
            repository = _repository(Path(aside))
            waiting = [pool.submit(_one, repository, jar, target) for jar in lacking]
            done = 0
            try:
                for jar, future in zip(lacking, waiting, strict=True):
                    future.result()
                    done += jar.size
                    say(f"{done / MB:.1f} of {total / MB:.1f} MB: {jar.file}")
            finally:
                for future in waiting:  # after a failure, or an interrupt
                    future.cancel()
    except OSError as error:
        if isinstance(error, Unavailable):
            raise
        raise Unavailable(
            f"{target} can't be written: {error.strerror or error}; PILOTHOUSE_CACHE names another"
        ) from None


def _one(repository: MavenContext, jar: Jar, target: Path) -> None:
    """Fetch one jar; once more where what comes is wrong: transfers break."""
    for last in (False, True):
        path = _download(repository, jar)
        reckoned = sha256(path)
        if reckoned == jar.sha256:
            os.replace(path, target / jar.file)
            return
        path.unlink()
        if last:
            raise Untrusted(
                f"{jar.file}: what was fetched has SHA-256 {reckoned}, not {jar.sha256}: it is not used; "
                "is there a proxy or a mirror between that alters files?"
            )


def _download(repository: MavenContext, jar: Jar) -> Path:
    try:
        # RuntimeError: what jgo says when no repository has it.
        return repository.create_dependency(jar.coordinates).artifact.resolve()
    except (OSError, RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unavailable(
            f"{jar.coordinates} can't be fetched: {reason}. Where there is a network: `pilothouse engines fetch NAME`, "
            "in a cache that is this host's too; or an administrator's folder of jars, named by PILOTHOUSE_JARS"
        ) from None


def _repository(aside: Path) -> MavenContext:
    """Where jars come from: the repositories of the user's jgo settings first, such as a site's mirror."""
    try:
        from jgo.config import GlobalSettings
        from jgo.maven import MavenContext
    except ImportError:
        raise Unavailable('jars are fetched by jgo, which is not installed: pip install "pilothouse[jvm]"') from None
    repository = MavenContext(repo_cache=aside, timeout=PATIENCE_S)
    with contextlib.suppress(OSError, ValueError):
        named = GlobalSettings.load().repositories  # a mirror may have the name of jgo's own
        repository.remote_repos = named | {key: url for key, url in repository.remote_repos.items() if key not in named}
    return repository
