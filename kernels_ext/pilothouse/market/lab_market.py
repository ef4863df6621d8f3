"""A market for one lab: an embedded relay and a blob server in one node process, found by every run of the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pilothouse.market.following import follow
from pilothouse.pilots.child import Channel
from pilothouse.pilots.protocols import RunContext
from pilothouse.state import write_atomic

#: The file in the run's folder that says where the market is: ``{"relay": url, "blobs": url}``.
WHERE = "market.json"


class LabMarketDriver:
    """Kind ``market``: goes on until it is stopped."""

    async def run(self, context: RunContext) -> None:
        """Start the process and publish where it listens."""
        config = {"blobs": str(context.folder / "blobs")}
        process = await context.spawn(__name__, config, label="market")

        def heard(message: dict[str, Any]) -> None:
            write_atomic(context.folder / WHERE, json.dumps(message).encode())
            context.event("market open", **message)

        await follow(context, process, heard)

    @staticmethod
    def load_result(folder: Path) -> dict[str, str]:
        """Where the market was: URLs of relay and blob server."""
        found: dict[str, str] = json.loads((folder / WHERE).read_text())
        return found


def main(channel: Channel) -> None:
    """Serve until asked to stop."""
    from pilothouse.market.blobs import BlobServer
    from pilothouse.market.nostr import EmbeddedRelay

    relay = EmbeddedRelay()
    blobs = BlobServer(Path(channel.config["blobs"]))
    channel.send({"relay": relay.url, "blobs": blobs.url})
    channel.stopping.wait()
    blobs.close()
    relay.close()
