"""A market for one lab: an embedded relay and a blob server in one node process, found by every run of the user.

Both listen on loopback, where every account of the host can come: they let in whom
:mod:`pilothouse.market.lab_market.admission` has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pilothouse.errors import Unavailable
from pilothouse.market.lab_market.following import follow
from pilothouse.runs.channel import Channel
from pilothouse.runs.protocols import RunContext
from pilothouse.state import write_atomic

#: The file in the run's folder that says where the market is: ``{"relay": url, "blobs": url}``.
WHERE = "market.json"
#: Seconds for the ports to be free again after a supervisor died.
PORT_S = 15.0

T = TypeVar("T")


class LabMarketDriver:
    """Kind ``market``: goes on until it is stopped.

    When its supervisor or its node dies, another one opens it again at the same address, with its blobs and for those
    who were admitted. The relay has events in memory: providers publish their offers again; receipts from before are in
    the books of their jobs alone.
    """

    resumable = True

    async def run(self, context: RunContext) -> None:
        """Start the process and publish where it listens."""

        def heard(message: dict[str, Any]) -> None:
            write_atomic(context.folder / WHERE, json.dumps(message).encode())
            context.event("market open", **message)

        await follow(context, __name__, {"folder": str(context.folder)}, heard, label="market")

    @staticmethod
    def load_result(folder: Path) -> dict[str, str]:
        """Where the market was: URLs of relay and blob server."""
        found: dict[str, str] = json.loads((folder / WHERE).read_text())
        return found


def _opened(channel: Channel, server: Callable[[], T]) -> T:
    """The server, as soon as the process before this one has given its port back."""
    deadline = time.monotonic() + PORT_S
    while True:
        try:
            return server()
        except Unavailable:
            if time.monotonic() > deadline or channel.stopping.wait(0.1):
                raise


def main(channel: Channel) -> None:
    """Serve until asked to stop."""
    from pilothouse.market.blobs.server import BlobServer
    from pilothouse.market.lab_market.admission import Admission
    from pilothouse.market.nostr.relay import EmbeddedRelay

    folder = Path(channel.config["folder"])
    before = json.loads((folder / WHERE).read_text()) if (folder / WHERE).exists() else {}
    ports = {name: int(url.rsplit(":", 1)[1]) for name, url in before.items()}
    # One each: it is asked in the thread of its server.
    relay = _opened(channel, lambda: EmbeddedRelay(Admission(folder).admits, ports.get("relay", 0)))
    blobs = _opened(channel, lambda: BlobServer(folder / "blobs", Admission(folder).admits, port=ports.get("blobs", 0)))
    channel.send({"relay": relay.url, "blobs": blobs.url})
    channel.stopping.wait()
    blobs.close()
    relay.close()
