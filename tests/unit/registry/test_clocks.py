"""A host whose clock is hours off can't be served over TLS: it is told that, and not something about certificates."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pilothouse.errors import Unavailable
from pilothouse.registry.folders import TOKEN
from pilothouse.registry.line import tls
from pilothouse.registry.line.client import call
from pilothouse.registry.line.server import Answers, serve_tls
from pilothouse.registry.records import PILOTS, PilotRecord
from pilothouse.state import utcnow


async def answered(made: dict[str, str]) -> Any:
    """What a supervisor with this certificate answers to another host."""

    async def hello() -> tuple[Any, bytes]:
        return "hello", b""

    server, address = await serve_tls("127.0.0.1", made, "secret", Answers({"hello": hello}, {}))
    async with server:
        record = PilotRecord(name="far", site="slurm", created=utcnow(), control=address)
        return (await asyncio.to_thread(call, record, "hello", timeout=10.0))[0]


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        (3, "the pilot's certificate is not valid yet: this clock and that of the supervisor's host differ"),
        (-24 * 368, "the pilot's certificate is valid no more"),
        (0.5, ""),
    ],
)
def test_a_clock_that_is_hours_off_is_named(
    state_home: Path, monkeypatch: pytest.MonkeyPatch, hours: float, says: str
) -> None:
    folder = PILOTS.folder("far")
    (folder / TOKEN).write_text("secret")
    with monkeypatch.context() as patch:
        patch.setattr(tls, "utcnow", lambda: utcnow() + timedelta(hours=hours))  # the supervisor's host
        made = tls.make_certificate(folder)
    if not says:
        assert asyncio.run(answered(made)) == "hello"
        return
    with pytest.raises(Unavailable, match=says) as caught:
        asyncio.run(answered(made))
    assert "hello was not done" in str(caught.value)
