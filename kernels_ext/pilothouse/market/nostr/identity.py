"""Who somebody is on the market: a key pair, which signs, opens what is for it, and keeps its secret."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pilothouse.errors import PilothouseError
from pilothouse.market.messages.message import Message
from pilothouse.market.nostr import library


class Identity:
    """A key pair whose secret stays in a file of mode 0600 and in this process's memory.

    Neither ``repr`` nor pickling gives the secret away.
    """

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self.pubkey: str = keys.public_key().to_hex()

    @staticmethod
    def generate() -> Identity:
        """A new key pair that is written nowhere."""
        return Identity(library.new_keys())

    @staticmethod
    def load(path: Path) -> Identity:
        """The identity in the file at `path`, made and written there (mode 0600) when there is none.

        Raises
        ------
        PilothouseError
            The file holds no key, or others may read it.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = library.new_keys()
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        if not path.exists():
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(keys.secret_key().to_bech32() + "\n")
                os.link(temporary, path)  # for one process only; the others read its key
            except FileExistsError:
                pass
            finally:
                temporary.unlink(missing_ok=True)
        return Identity.read(path)

    @staticmethod
    def read(path: Path) -> Identity:
        """The identity in the file at `path`, which is there.

        Raises
        ------
        PilothouseError
            The file holds no key, or others may read it.
        """
        if path.stat().st_mode & 0o077:
            raise PilothouseError(f"the key file {path} can be read by others: chmod 600 it", field="key")
        keys = library.parsed_keys(path.read_text().strip())
        if keys is None:
            raise PilothouseError(f"the key file {path} holds no Nostr secret key", field="key")
        return Identity(keys)

    @property
    def npub(self) -> str:
        """The public key in its readable form (NIP-19)."""
        return str(self._keys.public_key().to_bech32())

    def sign(self, kind: int, content: str, tags: Iterable[Sequence[str]] = ()) -> str:
        """A signed event as JSON, published nowhere."""
        return str(self.event(kind, content, tags).as_json())

    def event(self, kind: int, content: str, tags: Iterable[Sequence[str]]) -> Any:
        """A signed event as the library has it."""
        return library.signed(self._keys, kind, content, tags)

    async def wrap(self, receiver: str, kind: int, content: str, tags: Iterable[Sequence[str]]) -> Any:
        """A private message to the public key `receiver` (hex), as a gift wrap that has `tags`."""
        return await library.wrapped(self._keys, receiver, kind, content, tags)

    async def open(self, event: Any) -> Message:
        """The library's `event` as a message; :class:`Untrusted` when it is forged or not for us."""
        return await library.opened(self._keys, event)

    def connection(self, relays: Sequence[str], timeout: float) -> library.Connection:
        """A connection to `relays` that proves this key where it has to (NIP-42), not made yet."""
        return library.Connection(self._keys, relays, timeout)

    def __repr__(self) -> str:
        return f"Identity({self.npub})"

    def __reduce__(self) -> Any:
        raise TypeError("an Identity holds a secret key and is not pickled: pass the path of its file")
