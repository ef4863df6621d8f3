"""Whom a lab market lets in: the user's own keys, and those that the user admitted. Nobody else on the host.

An admitted key is an empty file of that name in the run's folder, so that it is let in and shut out at once, by any
process of the user, and the market knows it again after it was lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.errors import InvalidInput, NotFound, PilothouseError
from pilothouse.market.lab_market.following import keys_folder
from pilothouse.market.nostr.identity import Identity
from pilothouse.market.nostr.library import npub, public_key
from pilothouse.registry.records import RUNS

#: The folder in the lab market's own folder.
ADMITTED = "admitted"
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ListedKey:
    """A key that a lab market lets in: `name` of one of the user's own, `since` of one that was admitted."""

    npub: str
    name: str
    since: datetime | None


class Admission:
    """The door of one lab market.

    Parameters
    ----------
    folder
        The folder of the market's run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ADMITTED
        self._own: dict[str, _KeyFile] = {}

    def admits(self, pubkey: str) -> bool:
        """Whether the owner of `pubkey` (hex) may trade here, now."""
        return _HEX.fullmatch(pubkey) is not None and (self._is_own(pubkey) or (self._folder / pubkey).exists())

    def admit(self, key: str) -> None:
        """Let a public key in (``npub1…`` or hex); no error when it is in already.

        Raises
        ------
        InvalidInput
            It is no public key.
        """
        pubkey = public_key(key)
        if not self._is_own(pubkey):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / pubkey).touch(mode=0o600)

    def dismiss(self, key: str) -> None:
        """Shut a public key out.

        Raises
        ------
        InvalidInput
            It is no public key, or one of the user's own.
        NotFound
            It is not let in.
        """
        pubkey = public_key(key)
        if self._is_own(pubkey):
            name = self._own[pubkey].path.stem
            raise InvalidInput(f"key={key!r} is your own, {name!r}: it is always let in", field="key")
        try:
            (self._folder / pubkey).unlink()
        except FileNotFoundError:
            raise NotFound(f"key={key!r} is not let in: admitted() lists who is", field="key") from None

    def listed(self) -> list[ListedKey]:
        """The user's own keys by name, then the admitted ones, the latest first."""
        self._read_own()
        own = [ListedKey(npub(key), file.path.stem, None) for key, file in self._own.items()]
        others = [path for path in self._folder.glob("*") if _HEX.fullmatch(path.name)]
        let_in = [ListedKey(npub(path.name), "", datetime.fromtimestamp(path.stat().st_mtime, UTC)) for path in others]
        return sorted(own, key=lambda one: one.name) + sorted(let_in, key=lambda one: str(one.since), reverse=True)

    def _is_own(self, pubkey: str) -> bool:
        known = self._own.get(pubkey)
        if known is None or not known.is_as_it_was():
            self._read_own()  # perhaps it was made since
        return pubkey in self._own

    def _read_own(self) -> None:
        own = {}
        for path in keys_folder().glob("*.nsec"):
            try:
                file = _KeyFile.of(path)
                own[Identity.read(path).pubkey] = file
            except (PilothouseError, OSError):  # others may read it, or it is none: then it is not the user's alone
                continue
        self._own = own


def door(market: str | None) -> Callable[[str], bool]:
    """Who may be hired: on the user's lab market (named as its run) whom it admits, on relays of others everybody."""
    return Admission(RUNS.root / market).admits if market is not None else lambda _: True


@dataclass(frozen=True)
class _KeyFile:
    path: Path
    stamp: tuple[int, int, int]

    @staticmethod
    def of(path: Path) -> _KeyFile:
        found = path.stat()
        return _KeyFile(path, (found.st_ino, found.st_mtime_ns, found.st_mode))

    def is_as_it_was(self) -> bool:
        try:
            return _KeyFile.of(self.path) == self
        except OSError:
            return False
