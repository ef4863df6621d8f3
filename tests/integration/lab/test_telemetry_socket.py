"""A run's telemetry over the websocket."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any

import numpy as np
import pytest
from tornado.httpclient import HTTPClientError

from pilothouse.telemetry import Frame
from tests.waiting import eventually_async


async def _receive(socket: Any, seconds: float) -> tuple[list[Frame], list[dict[str, Any]], bool]:
    """Frames and states that arrive within `seconds`, and whether the socket was closed by the server."""
    frames: list[Frame] = []
    states: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            message = await asyncio.wait_for(socket.read_message(), left)
        except TimeoutError:
            break
        if message is None:
            return frames, states, True
        if isinstance(message, bytes):
            frames.append(Frame.decode(message))
        else:
            states.append(json.loads(message))
    return frames, states, False


async def test_a_live_run_sends_a_snapshot_and_increments_until_it_ends(jp_ws_fetch: Any, count: Any) -> None:
    run = count(to=15)
    socket = await jp_ws_fetch("pilothouse", "api", "v1", "runs", run.name, "telemetry")
    frames, states, closed = await _receive(socket, 30)
    assert closed
    assert socket.close_code == 1000
    assert frames[0].reset
    produced = np.concatenate([frame.columns.get("produced", np.zeros(0)) for frame in frames])
    assert produced.tolist() == list(range(1, 16))
    assert len(frames) > 5
    assert states[-1]["state"] == "finished"
    assert states[-1]["name"] == run.name
    assert len([state for state in states if state["state"] == "running"]) >= 1
    assert all(a != b for a, b in itertools.pairwise(states))


async def test_an_ended_run_is_sent_whole_from_disk(jp_ws_fetch: Any, count: Any) -> None:
    run = count(to=5)
    run.wait(timeout=30)
    socket = await jp_ws_fetch("pilothouse", "api", "v1", "runs", run.name, "telemetry")
    frames, states, closed = await _receive(socket, 10)
    assert closed
    assert [len(frame.time) for frame in frames] == [5]
    assert [state["state"] for state in states] == ["finished"]


async def test_a_reader_goes_on_where_it_was(jp_ws_fetch: Any, count: Any) -> None:
    run = count(to=200)
    await eventually_async(lambda: run.frame().seq >= 8, "samples")
    socket = await jp_ws_fetch("pilothouse", "api", "v1", "runs", run.name, "telemetry", params={"since": "5"})
    frames, _, closed = await _receive(socket, 1)
    assert not closed
    assert not frames[0].reset
    assert frames[0].columns["produced"][0] == 6
    socket.close()


async def test_a_client_that_does_not_read_gets_fewer_and_larger_frames(jp_ws_fetch: Any, count: Any) -> None:
    run = count(to=200)
    socket = await jp_ws_fetch("pilothouse", "api", "v1", "runs", run.name, "telemetry")
    begun = time.monotonic()
    frames, _, _ = await _receive(socket, 3)
    assert len(frames) <= 10 * (time.monotonic() - begun) + 2
    assert sum(len(frame.time) for frame in frames) == frames[-1].seq
    socket.close()


@pytest.mark.parametrize("since", ["x", "-1", "1.5"])
async def test_a_wrong_since_is_refused_before_the_upgrade(jp_ws_fetch: Any, count: Any, since: str) -> None:
    run = count(to=1)
    with pytest.raises(HTTPClientError) as caught:
        await jp_ws_fetch("pilothouse", "api", "v1", "runs", run.name, "telemetry", params={"since": since})
    assert caught.value.code == 400


async def test_an_unknown_run_is_refused_before_the_upgrade(jp_ws_fetch: Any) -> None:
    with pytest.raises(HTTPClientError) as caught:
        await jp_ws_fetch("pilothouse", "api", "v1", "runs", "nobody", "telemetry")
    assert caught.value.code == 404
