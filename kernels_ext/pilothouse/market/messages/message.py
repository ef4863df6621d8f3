"""A Nostr event as plain Python: what crosses the door of :mod:`pilothouse.market.nostr.library`."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pilothouse.errors import InvalidInput

#: What the embedded relay and the usual public ones take: bytes of an event's content.
MAX_PUBLIC = 40_000
MAX_PRIVATE = 20_000


@dataclass(frozen=True)
class Message:
    """A verified event, or the content of a gift wrap.

    Attributes
    ----------
    id
        Event id (of the wrapped event, for a private one), 64 hex digits.
    author
        Public key that signed it (or sealed it), 64 hex digits: the only identity that counts.
    created_at
        Seconds since 1970, as the author says.
    private
        True when it came in a gift wrap for this identity.
    """

    id: str
    author: str
    kind: int
    content: str
    tags: tuple[tuple[str, ...], ...]
    created_at: int
    private: bool = False

    def tag(self, name: str) -> str | None:
        """The first value of the first tag called `name`."""
        return next((tag[1] for tag in self.tags if len(tag) > 1 and tag[0] == name), None)

    def values(self, name: str) -> list[str]:
        """The first value of each tag called `name`."""
        return [tag[1] for tag in self.tags if len(tag) > 1 and tag[0] == name]

    @property
    def expired(self) -> bool:
        """True when its expiration tag (NIP-40) has passed, or is no time."""
        expiration = self.tag("expiration")
        if expiration is None:
            return False
        return not (expiration.isdecimal() and len(expiration) < 16) or int(expiration) <= time.time()


def check_size(content: str, limit: int) -> None:
    """Refuse a `content` of more than `limit` bytes (:class:`InvalidInput`)."""
    size = len(content.encode())
    if size > limit:
        raise InvalidInput(f"an event of {size} bytes is over {limit}: send a blob's hash", field="content")
