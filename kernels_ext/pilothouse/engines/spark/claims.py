"""Which member has the master: the latest to have claimed it, in files on the file system that the nodes share.

A claim can't be made twice, whoever is asked to take over at the same time. Masters keep what they know (workers,
applications) in a folder of their claim; who takes over begins with a copy, so one that was given up for lost and
still goes on spoils nothing.
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pilothouse.state import write_first


class Claim(NamedTuple):
    """A claim: the how manieth of the service, and the number of the member that has made it."""

    term: int
    member: int


class Claims:
    """The claims of a service, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def latest(self) -> Claim | None:
        """The one that counts; None as long as there is none."""
        terms = sorted((int(path.suffix[1:]) for path in self._folder.glob("claim.*")), reverse=True)
        for term in terms:
            with contextlib.suppress(OSError, ValueError):  # a file system that has not yet heard of it
                return Claim(term, int(self._path(term).read_text(encoding="ascii")))
        return None

    def claim(self, after: Claim | None, member: int) -> bool:
        """Claim the master for `member` once `after` counts no more; whether nobody else was sooner."""
        return write_first(self._path(after.term + 1 if after else 1), str(member).encode())

    def withdraw(self, claim: Claim) -> None:
        """The latest claim came to nothing: the one before it counts."""
        self._path(claim.term).unlink(missing_ok=True)
        shutil.rmtree(self._memory(claim.term), ignore_errors=True)

    def memory(self, claim: Claim) -> Path:
        """The folder of what the master of `claim` keeps: at first what those before it knew."""
        folder = self._memory(claim.term)
        if not folder.exists():
            before = self._memory(claim.term - 1)
            aside = folder.with_name(f".{uuid.uuid4().hex}")
            aside.mkdir(mode=0o700)
            if before.exists():
                # What is not there any more has ended while it was copied.
                for path in before.iterdir():
                    with contextlib.suppress(FileNotFoundError):
                        shutil.copyfile(path, aside / path.name)
            aside.replace(folder)
        return folder

    def _path(self, term: int) -> Path:
        return self._folder / f"claim.{term}"

    def _memory(self, term: int) -> Path:
        return self._folder / f"memory.{term}"


def master_of(members: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Where the latest master is that `members` tell of: ``master``, ``pages``, ``term``; empty where there is none."""
    latest = max(members, key=lambda each: int(each.get("term", 0)), default={})
    return latest if "master" in latest else {}
