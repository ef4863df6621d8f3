"""The relay that nostr_sdk brings: independent of ours, and open to every key that authenticates."""

from __future__ import annotations

from typing import Any

import nostr_sdk

from pilothouse.market.nostr import session as nostr
from tests.waiting import eventually


class LibraryRelay:
    """In memory, on a free loopback port; it asks everyone for NIP-42 authentication."""

    def __init__(self) -> None:
        self._relay: Any = None
        self.url: str = nostr._thread.wait(self._start(), 10)
        nostr._thread.owned.add(self)

    async def _start(self) -> str:
        both = nostr_sdk.LocalRelayBuilderNip42(mode=nostr_sdk.LocalRelayBuilderNip42Mode.BOTH)
        limit = nostr_sdk.RateLimit(max_reqs=500, notes_per_minute=60_000)  # the library's 60 a minute is too few
        builder = nostr_sdk.LocalRelayBuilder().addr("127.0.0.1").rate_limit(limit).nip42(both).auth_dm(True)
        self._relay = builder.build()
        await self._relay.run()
        return str(await self._relay.url())

    def close(self) -> None:
        nostr._thread.owned.discard(self)
        eventually(self._is_shut, "its end")

    def _is_shut(self) -> bool:
        import socket

        self._relay.shutdown()  # again and again: the order gets lost while the relay is at something else
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.url.rsplit(":", 1)[1]))) != 0
