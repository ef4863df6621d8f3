"""A kind of run for tests, installed as a plug-in: processes that count, and can be told to misbehave."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class CountDriver:
    """Counts up to ``parameters["to"]`` in a process on a node, ten times a second."""

    async def run(self, context: Any) -> None:
        process = await context.spawn("pilothouse_test_runs", context.parameters, label="counter")
        stopping = context.stopping
        total = 0
        import asyncio

        async def watch() -> None:
            await stopping.wait()
            await process.stop()

        watcher = asyncio.create_task(watch())
        async for message in process.messages():
            if "error" in message:
                raise RuntimeError(message["error"])
            total = message["produced"]
            context.telemetry.append(time.time(), {"produced": total, "latency_p50": 0.5, "latency_p99": 1.0})
            context.progress(total, context.parameters["to"], "numbers")
        watcher.cancel()
        code = await process.wait()
        if code:
            raise RuntimeError(f"the counter ended with code {code}")
        (context.folder / "result.json").write_text(json.dumps({"total": total}))

    @staticmethod
    def load_result(folder: Path) -> Any:
        return json.loads((folder / "result.json").read_text())


def main(channel: Any) -> None:
    print("counting")
    if channel.config.get("fail"):
        raise ValueError(channel.config["fail"])
    for i in range(1, channel.config["to"] + 1):
        channel.send({"produced": i})
        if channel.stopping.wait(0.1):
            return
