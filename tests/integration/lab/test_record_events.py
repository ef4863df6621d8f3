"""What other processes do reaches the server's event bus."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pilothouse.registry.records import PILOTS, RUNS, PilotRecord, RunRecord, State
from pilothouse.state import utcnow

PILOT, RUN = "https://events.pilothouse.dev/pilot/v1", "https://events.pilothouse.dev/run/v1"


class Heard:
    """Events in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._news = asyncio.Event()

    async def listen(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        self.events.append((schema_id, data))
        self._news.set()

    async def until(self, **wanted: str) -> dict[str, Any]:
        """The first event with these values."""
        async with asyncio.timeout(20):
            while True:
                for _, data in self.events:
                    if all(data[key] == value for key, value in wanted.items()):
                        return data
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def heard(state_home: Path, jp_serverapp: Any, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Heard:
    heard = Heard()
    extension = jp_serverapp.extension_manager.extension_points["pilothouse_lab"].app
    jp_asyncio_loop.run_until_complete(extension._start_jupyter_server_extension(jp_serverapp))
    jp_asyncio_loop.run_until_complete(extension.watch.watching.wait())
    for schema in (PILOT, RUN):
        jp_serverapp.event_logger.add_listener(schema_id=schema, listener=heard.listen)
    return heard  # the server stops its extensions


async def test_a_pilot_started_by_a_shell_is_seen_within_a_second(heard: Heard) -> None:
    code = "import pilothouse as ph, time; ph.submit('local', name='shell'); print(time.time())"
    shell = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE, env=dict(os.environ)
    )
    created = await heard.until(name="shell", action="created")
    seen = time.time()
    said, _ = await shell.communicate()
    assert seen - created_at(created) < 1.5  # half a second of ours, and two cores that others use too
    assert float(said) > 0
    assert created["record"]["nodes_wanted"] == 1
    assert (await heard.until(name="shell", state="running"))["action"] == "changed"


def created_at(event: dict[str, Any]) -> float:
    from datetime import datetime

    return datetime.fromisoformat(event["record"]["created"]).timestamp()


async def test_created_changed_removed_are_told_once_each_and_heartbeats_never(heard: Heard) -> None:
    record = PilotRecord(name="p", site="local", state=State.FINISHED, created=utcnow())
    PILOTS.write(record)
    await heard.until(name="p", action="created")
    record.heartbeat = utcnow()
    PILOTS.write(record)
    run = RunRecord(name="r", kind="count", pilot="p", created=utcnow(), state=State.FINISHED)
    RUNS.write(run)
    await heard.until(name="r", action="created")
    record.reason = "done"
    PILOTS.write(record)
    await heard.until(name="p", action="changed", reason="done")
    PILOTS.path("p").unlink()
    await heard.until(name="p", action="removed")
    assert [data["action"] for _, data in heard.events if data["name"] == "p"] == ["created", "changed", "removed"]
    assert [schema for schema, data in heard.events if data["name"] == "r"] == [RUN]


async def test_a_corrupt_record_is_told_as_unreadable(heard: Heard) -> None:
    (PILOTS.root / "broken.json").write_text("{")
    event = await heard.until(name="broken", state="unreadable")
    assert event["reason"]


async def test_a_killed_supervisor_is_told_as_lost(heard: Heard) -> None:
    import pilothouse as ph

    pilot = await asyncio.to_thread(lambda: ph.submit("local", name="victim").wait(timeout=60))
    await heard.until(name="victim", state="running")
    os.kill(pilot.record.supervisor.pid, 9)
    event = await heard.until(name="victim", state="lost")
    assert "killed" in event["reason"]
