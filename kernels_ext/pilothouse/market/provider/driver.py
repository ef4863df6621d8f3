"""Kind ``provider``: sells training from a node until it is stopped."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pilothouse.market.lab_market.following import follow, key_file, ledgers
from pilothouse.runs.protocols import RunContext
from pilothouse.state import write_atomic

RESULT = "result.json"


class ProviderDriver:
    """Drives one provider; its telemetry has ``rounds`` (accepted), ``rejected`` and ``earned_msat``.

    When its supervisor or its node dies, another one goes on under the same key with the same ledger and the same
    contracts (:mod:`pilothouse.market.provider.state`).
    """

    resumable = True

    async def run(self, context: RunContext) -> None:
        """Start the provider's process with the paths of its key and its ledger."""
        key = str(context.parameters["key"])
        config = {
            **context.parameters,
            "key_file": str(key_file(key)),
            "ledger": str(ledgers() / f"{key}.jsonl"),
            "folder": str(context.folder),
        }

        def heard(message: dict[str, Any]) -> None:
            if "event" in message:
                context.event(message.pop("event"), **message)
                return
            context.telemetry.append(time.time(), message)
            write_atomic(context.folder / RESULT, json.dumps(message).encode())

        await follow(context, "pilothouse.market.provider.provider", config, heard, label="provider")

    @staticmethod
    def load_result(folder: Path) -> dict[str, int]:
        """Rounds accepted and rejected, and msat earned."""
        try:
            found: dict[str, int] = json.loads((folder / RESULT).read_text())
        except FileNotFoundError:
            return {"rounds": 0, "rejected": 0, "earned_msat": 0}
        return found
